#include "fiber.hpp"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>

#if defined(SSAM_EMULATION_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif

#if !defined(SSAM_EMULATION_USES_UCONTEXT)
extern "C" void ssam_emulation_switch(void** save_stack_pointer, void* load_stack_pointer);

// Saves what a call has to preserve on the stack that is left, and takes it from the one that is entered.
#if defined(__x86_64__)
asm(R"(
.text
.globl ssam_emulation_switch
.type ssam_emulation_switch, @function
ssam_emulation_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size ssam_emulation_switch, .-ssam_emulation_switch
)");
#else
asm(R"(
.text
.globl ssam_emulation_switch
.type ssam_emulation_switch, %function
ssam_emulation_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size ssam_emulation_switch, .-ssam_emulation_switch
)");
#endif
#endif

namespace ssam_emulation {

namespace {

#if defined(SSAM_EMULATION_ASAN)
constexpr std::size_t stack_size = 256 * 1024;  // frames with red zones are larger
#else
constexpr std::size_t stack_size = 64 * 1024;
#endif

std::deque<Fiber>& fibers() {
  static std::deque<Fiber>& all = *new std::deque<Fiber>;  // outlives every static that may still launch
  return all;
}
std::size_t page_size() {
  static const std::size_t size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

}  // namespace

Fiber* create_fiber(void (*entry)(), std::size_t colour) {
  const std::size_t bytes = stack_size + page_size();
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED || mprotect(mapped, page_size(), PROT_NONE) != 0) {
    std::fputs("ssam_emulation: no memory for the stack of a fiber\n", stderr);
    std::abort();
  }
  Fiber& fiber = fibers().emplace_back();
  fiber.stack = static_cast<char*>(mapped) + page_size();
  fiber.stack_bytes = stack_size;
#if defined(SSAM_EMULATION_USES_UCONTEXT)
  (void)colour;
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack;
  fiber.context.uc_stack.ss_size = fiber.stack_bytes;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, entry, 0);
#else
  auto* top = reinterpret_cast<std::uintptr_t*>(fiber.stack + fiber.stack_bytes - colour % 32 * 128);
#if defined(__x86_64__)
  top[-2] = reinterpret_cast<std::uintptr_t>(entry);  // where `ret` goes; top[-1] is the null return address of entry
  fiber.stack_pointer = top - 8;                      // six saved registers below, all 0
#else
  top[-20 + 11] = reinterpret_cast<std::uintptr_t>(entry);  // x30
  fiber.stack_pointer = top - 20;
#endif
#endif
  return &fiber;
}

Fiber& host_fiber() {
  static thread_local Fiber fiber;
#if defined(SSAM_EMULATION_ASAN)
  if (fiber.stack == nullptr) {
    pthread_attr_t attributes;
    void* stack = nullptr;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &stack, &fiber.stack_bytes);
    pthread_attr_destroy(&attributes);
    fiber.stack = static_cast<char*>(stack);
  }
#endif
  return fiber;
}

void enter_fiber() {
#if defined(SSAM_EMULATION_ASAN)
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

void switch_fiber(Fiber& from, Fiber& to) {
#if defined(SSAM_EMULATION_ASAN)
  __sanitizer_start_switch_fiber(&from.fake_stack, to.stack, to.stack_bytes);
#endif
#if defined(SSAM_EMULATION_USES_UCONTEXT)
  swapcontext(&from.context, &to.context);
#else
  ssam_emulation_switch(&from.stack_pointer, to.stack_pointer);
#endif
#if defined(SSAM_EMULATION_ASAN)
  __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

bool is_stack_guard(const void* address) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  for (const Fiber& fiber : fibers()) {
    const auto stack = reinterpret_cast<std::uintptr_t>(fiber.stack);
    if (at < stack && at >= stack - page_size()) return true;
  }
  return false;
}

}  // namespace ssam_emulation
