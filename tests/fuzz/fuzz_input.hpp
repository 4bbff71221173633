// What every fuzz target is: libFuzzer's function, over bytes that anybody may have sent.
//
// A target does with them what the product does with what it reads, and aborts when something that must be true is
// not; crashes, leaks, undefined behaviour and inputs that take seconds the sanitizers and libFuzzer find by
// themselves. Source: llvm.org/docs/LibFuzzer.html.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace coppice::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

inline void must(bool is_so, const char* what) {
    if (is_so) return;
    std::fprintf(stderr, "this must be so, and is not: %s\n", what);
    std::abort();
}

} // namespace coppice::fuzz
