/* SPDX-License-Identifier: Apache-2.0 */
/* What a generated network calls before each step. An emulator looks where it is entered and needs nothing done here.
 */
void qrt_on_step(int step);

__attribute__((noinline)) void qrt_on_step(int step) { __asm__ volatile("" ::"r"(step)); }
