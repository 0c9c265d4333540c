/* SPDX-License-Identifier: Apache-2.0 */
/* board.h: output and exit of a program without an operating system, under an emulator or a debugger (semihosting). */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

/* Prints text; a number in decimal digits. */
void board_print(const char *text);
void board_print_number(int32_t number);

/* Ends the emulator with this exit status. Returning from main() does the same. */
void board_exit(int status);

/* From here on an unaligned access is a fault. Nothing on Cortex-M0, where it always is. */
void board_refuse_unaligned(void);

/* Asks the emulator or debugger for a service; the operations are those of Arm's semihosting specification. */
int board_semihost(int operation, const void *argument);

#endif
