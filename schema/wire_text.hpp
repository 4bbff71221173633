// Texts and bytes as Cap'n Proto carries them, seen as the standard library's.
#pragma once

#include <capnp/blob.h>
#include <capnp/list.h>

#include <string>
#include <string_view>
#include <vector>

namespace coppice {

// Valid as long as the message.
inline std::string_view view(capnp::Text::Reader text) { return {text.begin(), text.size()}; }

inline std::string text_of(capnp::Data::Reader data) {
    return {reinterpret_cast<const char*>(data.begin()), data.size()};
}

inline std::vector<std::string> texts_of(capnp::List<capnp::Text>::Reader list) {
    std::vector<std::string> texts;
    for (const auto text : list) texts.emplace_back(view(text));
    return texts;
}

// `to` has room for as many as there are.
template <class Texts>
void write_texts(const Texts& texts, capnp::List<capnp::Text>::Builder to) {
    unsigned i = 0;
    for (const std::string& text : texts) to.set(i++, text.c_str());
}

// Valid as long as `text`.
inline capnp::Data::Reader data_of(const std::string& text) {
    return {reinterpret_cast<const kj::byte*>(text.data()), text.size()};
}

} // namespace coppice
