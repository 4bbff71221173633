#include "actors/governance/json_pointer.hpp"

#include <charconv>

namespace coppice {

std::string pointer_step(std::string_view key) {
    std::string step{"/"};
    step.reserve(key.size() + 1);
    for (const char c : key) {
        if (c == '~')
            step += "~0";
        else if (c == '/')
            step += "~1";
        else
            step += c;
    }
    return step;
}

std::optional<std::vector<std::string>> pointer_steps(std::string_view pointer) {
    std::vector<std::string> steps;
    if (pointer.empty()) return steps;
    if (pointer.front() != '/') return std::nullopt;
    for (std::size_t i = 0; i < pointer.size(); ++i) {
        const char c = pointer[i];
        if (c == '/') {
            steps.emplace_back();
        } else if (c == '~') {
            if (++i == pointer.size() || (pointer[i] != '0' && pointer[i] != '1')) return std::nullopt;
            steps.back() += pointer[i] == '0' ? '~' : '/';
        } else {
            steps.back() += c;
        }
    }
    return steps;
}

const nlohmann::json* follow_step(const nlohmann::json& value, const std::string& step) {
    if (value.is_object()) {
        const auto member = value.find(step);
        return member == value.end() ? nullptr : &*member;
    }
    if (!value.is_array() || step.empty() || (step.size() > 1 && step[0] == '0')) return nullptr;
    std::size_t index = 0;
    const char* end = step.data() + step.size();
    const auto read = std::from_chars(step.data(), end, index);
    if (read.ec != std::errc{} || read.ptr != end || index >= value.size()) return nullptr;
    return &value[index];
}

} // namespace coppice
