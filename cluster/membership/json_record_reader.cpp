#include "cluster/membership/json_record_reader.hpp"

#include <algorithm>
#include <limits>

#include "actors/governance/bounded_json.hpp"

namespace coppice {
namespace {

constexpr std::size_t record_depth_max = 4;     // ours are objects of lists; a newer one may nest a little
constexpr std::size_t record_values_max = 4096; // far more than any has

} // namespace

json_record_reader json_record_reader::parse(std::string_view json, std::size_t size_max, std::uint32_t format) {
    json_record_reader reader;
    auto parsed = parse_json(json, {size_max, record_depth_max, record_values_max});
    if (!parsed) {
        reader.failure_ = failure{errc::invalid_argument,
                                  "the record is not JSON within bounds: " + std::move(parsed.error().detail)};
        return reader;
    }
    reader.object_ = std::move(*parsed);
    if (!reader.object_.is_object()) {
        reader.failure_ = failure{errc::invalid_argument, "the record is not a JSON object"};
        return reader;
    }
    std::uint32_t found = 0;
    reader.number("format", found, 1, std::numeric_limits<std::uint32_t>::max());
    reader.newer_ = found > format;
    return reader;
}

void json_record_reader::text(const char* field, std::string& into, const text_rule& fits,
                              std::string_view wanted) {
    const auto* value = find(field);
    if (value == nullptr) return;
    const auto* found = value->get_ptr<const std::string*>();
    if (found == nullptr || !fits(*found)) return wrong(field, wanted);
    into = *found;
}

void json_record_reader::texts(const char* field, std::vector<std::string>& into, std::size_t count_max,
                               const text_rule& fits, std::string_view wanted) {
    const auto* values = list(field, count_max);
    if (values == nullptr) return;
    std::vector<std::string> found;
    for (const auto& value : *values) {
        const auto* item = value.get_ptr<const std::string*>();
        if (item == nullptr || !fits(*item)) return wrong(field, wanted);
        if (!found.empty() && found.back() >= *item) return wrong(field, "must rise, without repetition");
        found.push_back(*item);
    }
    into = std::move(found);
}

void json_record_reader::wrong(std::string_view field, std::string_view what) {
    if (failure_) return;
    failure_ = failure{errc::invalid_argument, std::string{field} + " " + std::string{what}};
}

expected<void> json_record_reader::finish() {
    if (!failure_ && !newer_)
        for (const auto& member : object_.items())
            if (!known_.contains(member.key())) {
                wrong(quoted_excerpt(member.key()), "is not a field of this format");
                break;
            }
    if (failure_) return tl::unexpected{*failure_};
    return {};
}

const nlohmann::json* json_record_reader::find(const char* field) {
    known_.insert(field);
    if (failure_) return nullptr;
    const auto found = object_.find(field);
    if (found != object_.end()) return &*found;
    wrong(field, "is missing");
    return nullptr;
}

std::optional<std::uint64_t> json_record_reader::unsigned_number(const nlohmann::json* value,
                                                                 std::string_view field, std::uint64_t min,
                                                                 std::uint64_t max) {
    if (value == nullptr) return std::nullopt;
    const auto* found = value->get_ptr<const nlohmann::json::number_unsigned_t*>();
    if (found != nullptr && *found >= min && *found <= max) return *found;
    wrong(field, "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max));
    return std::nullopt;
}

std::vector<std::uint64_t> json_record_reader::sorted_numbers(const char* field, std::size_t count_max,
                                                              std::uint64_t min, std::uint64_t max) {
    const auto* values = list(field, count_max);
    if (values == nullptr) return {};
    std::vector<std::uint64_t> found;
    for (const auto& value : *values) {
        const auto number = unsigned_number(&value, field, min, max);
        if (!number) return {};
        if (!found.empty() && found.back() >= *number) {
            wrong(field, "must rise, without repetition");
            return {};
        }
        found.push_back(*number);
    }
    return found;
}

const nlohmann::json::array_t* json_record_reader::list(const char* field, std::size_t count_max) {
    const auto* value = find(field);
    if (value == nullptr) return nullptr;
    const auto* values = value->get_ptr<const nlohmann::json::array_t*>();
    if (values != nullptr && values->size() <= count_max) return values;
    wrong(field, "must be a list of at most " + std::to_string(count_max));
    return nullptr;
}

} // namespace coppice
