/* SPDX-License-Identifier: Apache-2.0 */
/* threads.h: what a pool needs of threads, the same on POSIX systems and on Windows: threads that signals leave alone,
 * locks, conditions, and to know of forks. POSIX: define _POSIX_C_SOURCE before the first header. */
#ifndef QRT_THREADS_H
#define QRT_THREADS_H

#include <stdint.h>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <process.h>

#define QRT_THREAD unsigned __stdcall /* what the function of a thread returns: 0 */

typedef HANDLE qrt_thread;
typedef SRWLOCK qrt_lock;
typedef CONDITION_VARIABLE qrt_condition;

static inline int qrt_thread_start(qrt_thread *thread, QRT_THREAD run(void *), void *argument) {
    *thread = (HANDLE)_beginthreadex(NULL, 0, run, argument, 0, NULL);
    return *thread != NULL;
}

static inline void qrt_thread_join(qrt_thread thread) {
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

static inline void qrt_lock_init(qrt_lock *lock) { InitializeSRWLock(lock); }
static inline void qrt_lock_take(qrt_lock *lock) { AcquireSRWLockExclusive(lock); }
static inline void qrt_lock_give(qrt_lock *lock) { ReleaseSRWLockExclusive(lock); }

static inline void qrt_condition_init(qrt_condition *condition) { InitializeConditionVariable(condition); }
static inline void qrt_condition_wake(qrt_condition *condition) { WakeAllConditionVariable(condition); }
static inline void qrt_condition_await(qrt_condition *condition, qrt_lock *lock) {
    SleepConditionVariableSRW(condition, lock, INFINITE, 0);
}

/* Windows does not fork. */
static const uint32_t qrt_forks = 0;

static inline void qrt_watch_forks(void) {}

#else
#include <pthread.h>
#include <signal.h>

#define QRT_THREAD void *

typedef pthread_t qrt_thread;
typedef pthread_mutex_t qrt_lock;
typedef pthread_cond_t qrt_condition;

/* Whether the system could start it. Signals are blocked in it: they are for the program's own threads. */
static inline int qrt_thread_start(qrt_thread *thread, QRT_THREAD run(void *), void *argument) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0;
}

static inline void qrt_thread_join(qrt_thread thread) { pthread_join(thread, NULL); }

static inline void qrt_lock_init(qrt_lock *lock) { pthread_mutex_init(lock, NULL); }
static inline void qrt_lock_take(qrt_lock *lock) { pthread_mutex_lock(lock); }
static inline void qrt_lock_give(qrt_lock *lock) { pthread_mutex_unlock(lock); }

static inline void qrt_condition_init(qrt_condition *condition) { pthread_cond_init(condition, NULL); }
/* Wakes all that await it. */
static inline void qrt_condition_wake(qrt_condition *condition) { pthread_cond_broadcast(condition); }
/* Gives the lock until woken; at times it returns without. */
static inline void qrt_condition_await(qrt_condition *condition, qrt_lock *lock) { pthread_cond_wait(condition, lock); }

/* Forks that led to this process since they are watched. */
static uint32_t qrt_forks;

static inline void qrt_count_fork(void) { qrt_forks++; }
static inline void qrt_count_forks(void) { (void)pthread_atfork(NULL, NULL, qrt_count_fork); }

static inline void qrt_watch_forks(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, qrt_count_forks);
}
#endif
#endif
