#include "cluster/peers/hello.hpp"

#include <algorithm>

#include "cluster/peers/link_gate.hpp"

namespace coppice {
namespace {

std::string range(std::uint16_t low, std::uint16_t high) {
    return std::to_string(low) + " to " + std::to_string(high);
}

expected<std::size_t> usable_window(const peer_limits& limits, peer_channel channel, std::uint64_t offered) {
    if (offered < peer_cost(limits.frame_size_max(channel)))
        return fail(errc::message_invalid, "a window in which no frame fits");
    return static_cast<std::size_t>(std::min<std::uint64_t>(offered, limits.window(channel)));
}

} // namespace

peer_hello make_hello(const peer_options& self, node_id to, std::uint64_t session) {
    return {.cluster = self.cluster,
            .to = to,
            .version_min = self.version_min,
            .version_max = self.version_max,
            .session = session,
            .control_window = self.limits.control_window,
            .bulk_window = self.limits.bulk_window};
}

expected<hello_agreement> check_hello(const peer_options& self, const peer_certificate& certified,
                                      const peer_envelope& envelope) {
    const auto* hello = std::get_if<peer_hello>(&envelope.body);
    if (hello == nullptr || envelope.sequence != 1 || envelope.version != 0)
        return fail(errc::message_invalid, "the first message is no hello");
    if (hello->cluster != self.cluster || certified.cluster != self.cluster)
        return fail(errc::permission_denied,
                    "of cluster " + printable(hello->cluster) + ", this is " + self.cluster);
    if (envelope.from != certified.node)
        return fail(errc::permission_denied, "says it is node " + std::to_string(envelope.from.value) +
                                                 ", its certificate is node " +
                                                 std::to_string(certified.node.value));
    if (hello->to != self.self)
        return fail(errc::permission_denied, "looks for node " + std::to_string(hello->to.value));
    if (certified.node == self.self) return fail(errc::permission_denied, "bears this node's own number");
    if (!self.is_member(certified.node)) return fail(errc::permission_denied, "no member of the cluster");

    const auto version = std::min(hello->version_max, self.version_max);
    if (hello->version_min > hello->version_max || version < std::max(hello->version_min, self.version_min))
        return fail(errc::invalid_argument, "speaks versions " + range(hello->version_min, hello->version_max) +
                                                ", this node " + range(self.version_min, self.version_max));
    const auto control = usable_window(self.limits, peer_channel::control, hello->control_window);
    if (!control) return tl::unexpected(control.error());
    const auto bulk = usable_window(self.limits, peer_channel::bulk, hello->bulk_window);
    if (!bulk) return tl::unexpected(bulk.error());
    return hello_agreement{version, *control, *bulk};
}

} // namespace coppice
