// A member of the cluster: a node that was let in, under a number that is its own for good. This is what every node
// knows of every other, and it stands in the control store as canonical JSON under `/members/<number>`.
//
//   joining -> active <-> draining -> removed      and from any state to removed, which ends it; a node that comes
//                                                  back after that joins anew, with a new number
//
// Pure values; any thread. What decode accepts may go into a connect, a certificate or a plan as it is.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/errc.hpp"
#include "schema/ids.hpp"
#include "schema/time.hpp"

namespace coppice {

enum class member_state : std::uint8_t {
    joining,  // let in; holds nothing yet, and is given nothing
    active,   // may hold shards and lead them
    draining, // on its way out: loses primaries, then replicas
    removed,  // gone; its number is never used again
};
inline constexpr std::size_t member_state_count = 4;

std::string_view to_string(member_state state);
std::optional<member_state> member_state_from_name(std::string_view name);
// Whether a member may go from one state to the other; staying is no change, and not allowed.
bool may_change(member_state from, member_state to);

struct listener {
    std::string host; // is_host
    std::uint16_t port = 0;
    bool operator==(const listener&) const = default;
};

struct member {
    node_id number{};
    std::string name; // is_name; told to people; no two members that are not removed share one
    listener peer;    // where other nodes link to it
    listener rpc;     // where clients and workers do
    std::string zone; // is_name, or empty: nothing is known, which counts as a zone of its own
    member_state state = member_state::joining;
    std::string fingerprint;        // of its certificate: SHA-256, 64 lower-case hex digits
    instant first_seen{};           // whole microseconds
    std::uint32_t protocol_min = 1; // versions of the peer protocol that it speaks
    std::uint32_t protocol_max = 1;
    std::vector<std::string> features; // that it has; is_name; sorted

    bool operator==(const member&) const = default;
};

inline constexpr std::string_view member_key_prefix = "/members/";
std::string member_key(node_id number); // "/members/7"
// The number in such a key, in its one spelling.
std::optional<node_id> parse_member_key(std::string_view key);

// What decode would refuse must not be given.
std::string encode(const member& m);
// errc::invalid_argument with the first thing that is wrong.
expected<member> decode_member(std::string_view json);
// As it is found in the store: the number must be the key's as well.
expected<member> decode_member(std::string_view key, std::string_view json);

// The member in that state; errc::illegal_transition when it may not go there.
expected<member> changed(member m, member_state to);

// The counter from which members get their numbers, under one key of the store: it holds the number given last, and
// rises by compare-and-swap before a member is written, so a number is never given twice.
inline constexpr std::string_view member_counter_key = "/counters/member";
struct next_number {
    node_id number{};
    std::string stored; // the counter's new value
};
// `stored`: the counter's value, empty when the key is not there yet.
expected<next_number> take_number(std::string_view stored);

// Features that all members have who are not removed; sorted. None without members.
std::vector<std::string> enabled_features(std::span<const member> members);
// The highest version of the protocol that all of them speak; nothing when there is none.
std::optional<std::uint32_t> agreed_protocol(std::span<const member> members);
// Whether `candidate` may be let in: there is room, its name and certificate are not another's, it speaks what is
// spoken and has every feature that is on (or a feature would go off under those who use it). errc::already_exists,
// overloaded or invalid_argument.
expected<void> may_join(std::span<const member> members, const member& candidate);
// Whether `me`, as this version would write its record, may serve beside `members`, among whom its own record of an
// earlier start may be: it has every feature that is on, and a version of the protocol is spoken by all. So a
// version that is too old stops before it meets what it cannot read. errc::invalid_argument, saying what it lacks.
expected<void> may_serve(std::span<const member> members, const member& me);

} // namespace coppice
