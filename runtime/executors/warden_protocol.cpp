#include "runtime/executors/warden_protocol.hpp"

#include <cstring>

namespace coppice::executors {

namespace {

struct header {
    std::uint32_t kind = 0;
    std::int32_t signal = 0;
    std::uint64_t token = 0;
    std::uint32_t argument_count = 0;
    std::uint32_t environment_count = 0;
    std::uint64_t cpu_seconds = 0;
    std::uint64_t address_space_bytes = 0;
    std::uint64_t file_bytes = 0;
    std::uint64_t open_files = 0;
};

std::string begin(const header& head) { return std::string(reinterpret_cast<const char*>(&head), sizeof head); }

void put_text(std::string& packet, const std::string& text) { packet.append(text.c_str(), text.size() + 1); }

// The next NUL-terminated text, or null when there is none.
const char* next_text(std::string_view& rest) {
    const auto end = rest.find('\0');
    if (end == std::string_view::npos) return nullptr;
    const char* text = rest.data();
    rest.remove_prefix(end + 1);
    return text;
}

bool read_texts(std::string_view& rest, std::uint32_t count, std::vector<const char*>& texts) {
    texts.reserve(count + 1);
    for (std::uint32_t i = 0; i < count; ++i) {
        texts.push_back(next_text(rest));
        if (texts.back() == nullptr) return false;
    }
    texts.push_back(nullptr);
    return true;
}

bool read_spawn(const header& head, std::string_view rest, request_view& request) {
    if (head.argument_count == 0 || head.argument_count > limits::exec_arguments_max) return false;
    if (head.environment_count > limits::exec_environment_max) return false;
    request.rlimits = {head.cpu_seconds, head.address_space_bytes, head.file_bytes, head.open_files};
    request.program = next_text(rest);
    request.directory = request.program == nullptr ? nullptr : next_text(rest);
    return request.directory != nullptr && read_texts(rest, head.argument_count, request.argv) &&
           read_texts(rest, head.environment_count, request.env) && rest.empty();
}

} // namespace

std::string encode(const spawn_request& request) {
    header head;
    head.kind = static_cast<std::uint32_t>(request_kind::spawn);
    head.token = request.token;
    head.argument_count = static_cast<std::uint32_t>(request.argv.size());
    head.environment_count = static_cast<std::uint32_t>(request.env.size());
    head.cpu_seconds = request.rlimits.cpu_seconds;
    head.address_space_bytes = request.rlimits.address_space_bytes;
    head.file_bytes = request.rlimits.file_bytes;
    head.open_files = request.rlimits.open_files;
    auto packet = begin(head);
    put_text(packet, request.program);
    put_text(packet, request.directory);
    for (const auto& text : request.argv) put_text(packet, text);
    for (const auto& text : request.env) put_text(packet, text);
    return packet;
}

std::string encode_signal(std::uint64_t token, int signal) {
    header head;
    head.kind = static_cast<std::uint32_t>(request_kind::signal);
    head.token = token;
    head.signal = signal;
    return begin(head);
}

std::string encode_release(std::uint64_t token) {
    header head;
    head.kind = static_cast<std::uint32_t>(request_kind::release);
    head.token = token;
    return begin(head);
}

std::optional<request_view> decode_request(std::string_view packet) {
    header head;
    if (packet.size() < sizeof head || packet.size() > limits::exec_request_size_max) return std::nullopt;
    std::memcpy(&head, packet.data(), sizeof head);
    packet.remove_prefix(sizeof head);
    request_view request;
    request.kind = static_cast<request_kind>(head.kind);
    request.token = head.token;
    request.signal = head.signal;
    switch (request.kind) {
    case request_kind::spawn:
        if (!read_spawn(head, packet, request)) return std::nullopt;
        return request;
    case request_kind::signal:
        if (!packet.empty() || head.signal <= 0 || head.signal > 64) return std::nullopt;
        return request;
    case request_kind::release:
        if (!packet.empty()) return std::nullopt;
        return request;
    }
    return std::nullopt;
}

std::string encode(const warden_event& event) {
    return std::string(reinterpret_cast<const char*>(&event), sizeof event);
}

std::optional<warden_event> decode_event(std::string_view packet) {
    warden_event event;
    if (packet.size() != sizeof event) return std::nullopt;
    std::memcpy(&event, packet.data(), sizeof event);
    switch (event.kind) {
    case event_kind::started:
    case event_kind::spawn_failed:
    case event_kind::exited:
        return event;
    }
    return std::nullopt;
}

} // namespace coppice::executors
