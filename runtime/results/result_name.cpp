#include "runtime/results/result_name.hpp"

#include <charconv>

namespace coppice {

std::string result_name(const attempt_ref& ref) {
    const std::string id = to_string(ref.job);
    return std::to_string(ref.job.tenant().value) + "/" + id.substr(id.size() - 2) + "/" + id + "-" +
           std::to_string(ref.attempt);
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
