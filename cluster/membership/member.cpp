#include "cluster/membership/member.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "actors/governance/bounded_json.hpp"
#include "cluster/membership/host.hpp"
#include "cluster/membership/json_record_reader.hpp"
#include "cluster/membership/record_text.hpp"
#include "schema/limits.hpp"
#include "schema/names.hpp"

namespace coppice {
namespace {

constexpr std::uint32_t member_format = 1;
constexpr std::uint32_t number_max = std::numeric_limits<std::uint32_t>::max();

constexpr std::array<std::string_view, member_state_count> state_names{"joining", "active", "draining", "removed"};

// A row for each state, a column for each to go to.
constexpr std::array<std::array<bool, member_state_count>, member_state_count> transitions{{
    // joining active draining removed
    {false, true, false, true},  // joining
    {false, false, true, true},  // active
    {false, true, false, true},  // draining
    {false, false, false, false} // removed
}};

bool counts(const member& m) { return m.state != member_state::removed; }

void read_listener(json_record_reader& reader, const char* host, const char* port, listener& into) {
    reader.text(host, into.host, is_host, "must be a DNS name in lower case or an IP address");
    reader.number(port, into.port, 1, std::numeric_limits<std::uint16_t>::max());
}

} // namespace

std::string_view to_string(member_state state) { return state_names.at(static_cast<std::size_t>(state)); }

std::optional<member_state> member_state_from_name(std::string_view name) {
    const auto* found = std::ranges::find(state_names, name);
    if (found == state_names.end()) return std::nullopt;
    return static_cast<member_state>(found - state_names.begin());
}

bool may_change(member_state from, member_state to) {
    return transitions.at(static_cast<std::size_t>(from)).at(static_cast<std::size_t>(to));
}

std::string member_key(node_id number) { return std::string{member_key_prefix} + std::to_string(number.value); }

std::optional<node_id> parse_member_key(std::string_view key) {
    if (!key.starts_with(member_key_prefix)) return std::nullopt;
    const auto number = parse_number(key.substr(member_key_prefix.size()), number_max);
    if (!number || *number == 0) return std::nullopt;
    return node_id{static_cast<std::uint32_t>(*number)};
}

std::string encode(const member& m) {
    return canonical_json({{"format", member_format},
                           {"number", m.number.value},
                           {"name", m.name},
                           {"peer_host", m.peer.host},
                           {"peer_port", m.peer.port},
                           {"rpc_host", m.rpc.host},
                           {"rpc_port", m.rpc.port},
                           {"zone", m.zone},
                           {"state", to_string(m.state)},
                           {"fingerprint", m.fingerprint},
                           {"first_seen", to_rfc3339(m.first_seen)},
                           {"protocol_min", m.protocol_min},
                           {"protocol_max", m.protocol_max},
                           {"features", m.features}});
}

expected<member> decode_member(std::string_view json) {
    member m;
    std::string state, first_seen;
    json_record_reader reader = json_record_reader::parse(json, limits::member_record_size_max, member_format);
    reader.number("number", m.number.value, 1, number_max);
    reader.text("name", m.name, is_name, "must be a name");
    read_listener(reader, "peer_host", "peer_port", m.peer);
    read_listener(reader, "rpc_host", "rpc_port", m.rpc);
    reader.text(
        "zone", m.zone, [](auto text) { return text.empty() || is_name(text); }, "must be a name or empty");
    reader.text(
        "state", state, [](auto text) { return member_state_from_name(text).has_value(); },
        "must be joining, active, draining or removed");
    reader.text("fingerprint", m.fingerprint, is_sha256_hex, "must be 64 lower-case hex digits");
    reader.text("first_seen", first_seen, is_canonical_time, "must be a time in UTC with microseconds");
    reader.number("protocol_min", m.protocol_min, 1, number_max);
    reader.number("protocol_max", m.protocol_max, 1, number_max);
    reader.texts("features", m.features, limits::member_features_max, is_name, "must be names");
    if (m.protocol_min > m.protocol_max) reader.wrong("protocol_min", "is above protocol_max");
    if (const auto ok = reader.finish(); !ok) return tl::unexpected{ok.error()};
    m.state = *member_state_from_name(state);
    m.first_seen = *parse_rfc3339(first_seen);
    return m;
}

expected<member> decode_member(std::string_view key, std::string_view json) {
    auto m = decode_member(json);
    if (m && parse_member_key(key) != m->number)
        return fail(errc::invalid_argument, "number is not the one in the record's key");
    return m;
}

expected<member> changed(member m, member_state to) {
    if (!may_change(m.state, to))
        return fail(errc::illegal_transition, "node-" + std::to_string(m.number.value) + " is " +
                                                  std::string{to_string(m.state)} + " and cannot become " +
                                                  std::string{to_string(to)});
    m.state = to;
    return m;
}

expected<next_number> take_number(std::string_view stored) {
    const auto last = stored.empty() ? std::optional<std::uint64_t>{0} : parse_number(stored, number_max);
    if (!last) return fail(errc::invalid_argument, "the counter of members is not a number");
    if (*last == number_max) return fail(errc::invalid_argument, "the counter of members is at its end");
    const node_id number{static_cast<std::uint32_t>(*last + 1)};
    return next_number{number, std::to_string(number.value)};
}

std::vector<std::string> enabled_features(std::span<const member> members) {
    std::optional<std::vector<std::string>> common;
    for (const member& m : members) {
        if (!counts(m)) continue;
        if (!common) {
            common = m.features;
            continue;
        }
        std::erase_if(*common, [&](const std::string& f) { return !std::ranges::binary_search(m.features, f); });
    }
    return common.value_or(std::vector<std::string>{});
}

std::optional<std::uint32_t> agreed_protocol(std::span<const member> members) {
    std::uint32_t min = 0, max = number_max;
    bool any = false;
    for (const member& m : members) {
        if (!counts(m)) continue;
        any = true;
        min = std::max(min, m.protocol_min);
        max = std::min(max, m.protocol_max);
    }
    if (!any || min > max) return std::nullopt;
    return max;
}

expected<void> may_join(std::span<const member> members, const member& candidate) {
    const auto present = static_cast<std::size_t>(std::ranges::count_if(members, counts));
    if (present >= limits::members_max)
        return fail(errc::overloaded, "the cluster has " + std::to_string(present) + " members, as many as it may");
    for (const member& m : members) {
        if (m.number == candidate.number)
            return fail(errc::already_exists,
                        "the number " + std::to_string(m.number.value) + " was given already");
        if (!counts(m)) continue;
        if (m.name == candidate.name)
            return fail(errc::already_exists, "node-" + std::to_string(m.number.value) + " is called " + m.name);
        if (m.fingerprint == candidate.fingerprint)
            return fail(errc::already_exists,
                        "node-" + std::to_string(m.number.value) + " has the same certificate");
    }
    return may_serve(members, candidate);
}

expected<void> may_serve(std::span<const member> members, const member& me) {
    for (const std::string& feature : enabled_features(members))
        if (!std::ranges::binary_search(me.features, feature))
            return fail(errc::invalid_argument, "the cluster uses the feature " + feature +
                                                    ", which this node does not have; install a newer version");
    std::vector<member> others{members.begin(), members.end()};
    std::erase_if(others, [&](const member& m) { return m.number == me.number; });
    const bool agreed_before = agreed_protocol(others).has_value();
    others.push_back(me);
    if (agreed_before && !agreed_protocol(others))
        return fail(errc::invalid_argument, "this node speaks the versions " + std::to_string(me.protocol_min) +
                                                " to " + std::to_string(me.protocol_max) +
                                                " of the protocol, and none of them is spoken by all others");
    return {};
}

} // namespace coppice
