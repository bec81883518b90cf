// Random bytes where Rust's std asks Windows 10 for them: Debian 12's Wine has no bcryptprimitives.dll, and without one no Rust program starts there.
#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T length) { return RtlGenRandom(bytes, length); }
