// Whether the program is compiled with a sanitizer: its nodes then keep what they freed, reserve terabytes of
// addresses, ask for descriptors on their own account, and take many times as long.
#pragma once

namespace coppice::testing {

inline constexpr bool sanitized = COPPICE_SANITIZED;

} // namespace coppice::testing
