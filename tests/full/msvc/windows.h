/* what diffsim.h calls of <windows.h>; see math.h */
#pragma once
#include <stddef.h>
#define WINAPI __stdcall
#define INFINITE 0xffffffffu
#define YieldProcessor() __builtin_ia32_pause()
#ifdef __cplusplus
extern "C" {
#endif
typedef unsigned long DWORD;
typedef long LONG;
typedef int BOOL;
typedef unsigned char BOOLEAN;
typedef void *HANDLE, *LPVOID;
typedef struct SRWLOCK { void *Ptr; } SRWLOCK;
typedef struct CONDITION_VARIABLE { void *Ptr; } CONDITION_VARIABLE;
typedef struct SYSTEM_INFO { DWORD dwNumberOfProcessors; } SYSTEM_INFO; /* of its fields */
typedef DWORD(WINAPI *LPTHREAD_START_ROUTINE)(LPVOID);
void WINAPI GetSystemInfo(SYSTEM_INFO *);
void WINAPI InitializeSRWLock(SRWLOCK *);
void WINAPI AcquireSRWLockExclusive(SRWLOCK *);
void WINAPI ReleaseSRWLockExclusive(SRWLOCK *);
void WINAPI InitializeConditionVariable(CONDITION_VARIABLE *);
BOOL WINAPI SleepConditionVariableSRW(CONDITION_VARIABLE *, SRWLOCK *, DWORD, unsigned long);
void WINAPI WakeAllConditionVariable(CONDITION_VARIABLE *);
HANDLE WINAPI CreateThread(void *, size_t, LPTHREAD_START_ROUTINE, LPVOID, DWORD, DWORD *);
DWORD WINAPI WaitForSingleObject(HANDLE, DWORD);
BOOL WINAPI CloseHandle(HANDLE);
LONG _InterlockedIncrement(LONG volatile *);
#define InterlockedIncrement _InterlockedIncrement
#ifdef __cplusplus
}
#endif
