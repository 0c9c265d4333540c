/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin of QEMU (API version 1, as in QEMU 7.2) that counts how often each instruction of a program is executed.
 *
 *   -plugin FILE,out=FILE,base=ADDRESS,size=BYTES,cut=ADDRESS,cut=ADDRESS,...
 *
 * Counted is the code from `base` on. Where one of the addresses `cut` is executed, the counts since the last cut are
 * written and begin anew: u32 address of the cut, u32 n, n * { u32 address, u32 zero, u64 executions }. QEMU's header
 * is not needed: the few functions that are called are declared here.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

enum { HALFWORDS = 4 << 20, CUTS = 8, ADD = 0, NO_REGISTERS = 0 };

struct qemu_plugin_tb;
struct qemu_plugin_insn;
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t, void (*)(uint64_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, void (*)(unsigned, void *), int, void *);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *, int, void *, uint64_t);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
void qemu_plugin_register_atexit_cb(uint64_t, void (*)(uint64_t, void *), void *);
EXPORT int qemu_plugin_install(uint64_t plugin, const void *info, int count, char **arguments);

EXPORT int qemu_plugin_version = 1;

static uint64_t executions[HALFWORDS], elsewhere;
static uint64_t base, size, cuts[CUTS];
static unsigned cut_count;
static FILE *out;

static void on_cut(unsigned cpu, void *cut) {
    uint32_t head[2] = {(uint32_t)*(uint64_t *)cut, 0};
    (void)cpu;
    for (uint64_t i = 0; i < size / 2; i++) head[1] += executions[i] != 0;
    fwrite(head, sizeof head, 1, out);
    for (uint64_t i = 0; i < size / 2; i++) {
        uint32_t address[2] = {(uint32_t)(base + 2 * i), 0};
        if (executions[i] == 0) continue;
        fwrite(address, sizeof address, 1, out);
        fwrite(&executions[i], sizeof executions[i], 1, out);
        executions[i] = 0;
    }
}

static void on_translation(uint64_t plugin, struct qemu_plugin_tb *block) {
    (void)plugin;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        uint64_t address = qemu_plugin_insn_vaddr(instruction);
        uint64_t *counter = address - base < size ? &executions[(address - base) / 2] : &elsewhere;
        for (unsigned k = 0; k < cut_count; k++) {
            if (address != cuts[k]) continue;
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_cut, NO_REGISTERS, &cuts[k]);
        }
        qemu_plugin_register_vcpu_insn_exec_inline(instruction, ADD, counter, 1);
    }
}

static void at_exit(uint64_t plugin, void *unused) {
    (void)plugin, (void)unused;
    fclose(out);
}

int qemu_plugin_install(uint64_t plugin, const void *info, int count, char **arguments) {
    (void)info;
    for (int i = 0; i < count; i++) {
        const char *value = strchr(arguments[i], '=');
        if (value++ == NULL) return 1;
        if (strncmp(arguments[i], "out=", 4) == 0) out = fopen(value, "wb");
        if (strncmp(arguments[i], "base=", 5) == 0) base = strtoull(value, NULL, 0);
        if (strncmp(arguments[i], "size=", 5) == 0) size = strtoull(value, NULL, 0);
        if (strncmp(arguments[i], "cut=", 4) == 0 && cut_count < CUTS) cuts[cut_count++] = strtoull(value, NULL, 0);
    }
    if (out == NULL || size > 2 * (uint64_t)HALFWORDS) return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(plugin, on_translation);
    qemu_plugin_register_atexit_cb(plugin, at_exit, NULL);
    return 0;
}
