#pragma once

#include <cstddef>

#if defined(SSAM_EMULATION_UCONTEXT) || !(defined(__x86_64__) || defined(__aarch64__))
#define SSAM_EMULATION_USES_UCONTEXT 1
#include <ucontext.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define SSAM_EMULATION_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SSAM_EMULATION_ASAN 1
#endif
#endif

namespace ssam_emulation {

/// A stack and the place where its execution stands. The OS thread's own stack is one, too, while a launch runs.
struct Fiber {
#if defined(SSAM_EMULATION_USES_UCONTEXT)
  ucontext_t context;
#else
  void* stack_pointer = nullptr;
#endif
  char* stack = nullptr;
  std::size_t stack_bytes = 0;
  void* fake_stack = nullptr;  ///< AddressSanitizer's
};

/// A fiber that starts in `entry`, which never returns. `colour` moves the top of the stack a little, so that the hot
/// ends of many stacks do not share the same cache sets. Fibers are never destroyed: the pool keeps them.
Fiber* create_fiber(void (*entry)(), std::size_t colour);

/// The calling OS thread's own stack.
Fiber& host_fiber();

/// Goes on where `to` stands; returns when somebody switches back to `from`, the fiber that runs now.
void switch_fiber(Fiber& from, Fiber& to);
/// The first thing a fiber's entry does.
void enter_fiber();

/// Whether `address` lies in the guard page below a fiber's stack.
bool is_stack_guard(const void* address);

}  // namespace ssam_emulation
