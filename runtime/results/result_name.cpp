#include "runtime/results/result_name.hpp"

#include <charconv>

namespace coppice {

constexpr std::string_view lines_mark = ".lines.";

std::string job_prefix(const job_id& job) {
    const std::string id = to_string(job);
    return std::to_string(job.tenant().value) + "/" + id.substr(id.size() - 2) + "/" + id + "-";
}

std::string result_name(const attempt_ref& ref) { return job_prefix(ref.job) + std::to_string(ref.attempt); }

std::string lines_prefix(const attempt_ref& ref) { return result_name(ref) + std::string{lines_mark}; }

std::string lines_name(const attempt_ref& ref, std::uint64_t last) {
    constexpr std::size_t digits = 20; // of the largest
    const std::string number = std::to_string(last);
    return lines_prefix(ref) + std::string(digits - number.size(), '0') + number;
}

std::optional<lines_place> read_lines_name(std::string_view name) {
    const std::size_t mark = name.rfind(lines_mark);
    if (mark == std::string_view::npos) return std::nullopt;
    const auto ref = read_result_name(name.substr(0, mark));
    std::uint64_t last = 0;
    const char* const end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data() + mark + lines_mark.size(), end, last);
    if (!ref || error != std::errc{} || stop != end || lines_name(*ref, last) != name) return std::nullopt;
    return lines_place{*ref, last};
}

std::optional<attempt_ref> read_result_name(std::string_view name) {
    const std::size_t slash = name.rfind('/'), dash = name.rfind('-');
    if (slash == std::string_view::npos || dash == std::string_view::npos || dash < slash) return std::nullopt;
    attempt_ref ref;
    const auto job = job_id::parse(name.substr(slash + 1, dash - slash - 1));
    const char* const end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data() + dash + 1, end, ref.attempt);
    if (!job || error != std::errc{} || stop != end) return std::nullopt;
    ref.job = *job;
    return result_name(ref) == name ? std::optional{ref} : std::nullopt;
}

} // namespace coppice
