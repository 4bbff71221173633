// Texts and bytes as Cap'n Proto carries them, seen as the standard library's.
#pragma once

#include <capnp/blob.h>

#include <string>
#include <string_view>

namespace coppice {

// Valid as long as the message.
inline std::string_view view(capnp::Text::Reader text) { return {text.begin(), text.size()}; }

inline std::string text_of(capnp::Data::Reader data) {
    return {reinterpret_cast<const char*>(data.begin()), data.size()};
}

// Valid as long as `text`.
inline capnp::Data::Reader data_of(const std::string& text) {
    return {reinterpret_cast<const kj::byte*>(text.data()), text.size()};
}

} // namespace coppice
