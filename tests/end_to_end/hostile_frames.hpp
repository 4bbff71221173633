// Messages of Cap'n Proto's RPC as bytes, made by hand: what no well-meaning client would send.
#pragma once

#include <capnp/any.h>
#include <capnp/message.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace coppice::end_to_end {

using fill_content = std::function<void(capnp::AnyPointer::Builder)>;

std::string frame_of(capnp::MessageBuilder& message);
std::string bootstrap_frame(std::uint32_t question);
// On the answer to `of`, or the capability at `path` in it; it may still be under way.
std::string call_frame(std::uint32_t question, std::uint32_t of, const std::vector<std::uint16_t>& path,
                       std::uint64_t interface_id, std::uint16_t method, const fill_content& fill);
// Bootstrap is question 0, login question 1.
std::string login_frames(const std::string& token);

// Three words of data and a pointer that is the caller's own: its word, and the words of data that it may point at.
struct crafted_pointer {
    const char* name;
    std::uint64_t pointer;
    std::uint64_t first = 0;  // three words before the pointer
    std::uint64_t second = 0; // two words before it
};
// Call with params of one pointer, which is `crafted`.
std::string crafted_call(std::uint32_t question, std::uint32_t of, const std::vector<std::uint16_t>& path,
                         std::uint64_t interface_id, std::uint16_t method, const crafted_pointer& crafted);
std::vector<crafted_pointer> crafted_pointers();

// How question `question` was answered on a socket: "results", "exception WHY", or "closed".
std::string answer_to(int fd, std::uint32_t question);

} // namespace coppice::end_to_end
