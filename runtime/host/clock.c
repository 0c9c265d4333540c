/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c: the time, from the operating system. */
#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#else
/* clock_gettime() */
#define _POSIX_C_SOURCE 200809L
#endif

#include "host/clock.h"

#define SECOND 1000000000

#ifdef _WIN32
#include <windows.h>

int64_t qrt_clock(void) {
    LARGE_INTEGER now, rate; /* the rate is a constant of the machine, read without a call of the kernel */
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&rate);
    /* In two parts: the whole times a second overflows after some minutes. */
    return now.QuadPart / rate.QuadPart * SECOND + now.QuadPart % rate.QuadPart * SECOND / rate.QuadPart;
}
#else
#include <time.h>

int64_t qrt_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND + now.tv_nsec;
}
#endif
