#include "runtime/observability/replica_metrics.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace coppice {
namespace {

std::string shard_label(shard_id shard) { return "shard=\"" + std::to_string(shard.value) + "\""; }

class metrics_page {
  public:
    void begin(const std::string& name, std::string_view type, std::string_view help) {
        text += "# HELP " + name + " " + std::string{help} + "\n# TYPE " + name + " " + std::string{type} + "\n";
    }
    void line(const std::string& name, const std::string& labels, std::uint64_t value) {
        text += name + (labels.empty() ? "" : "{" + labels + "}") + " " + std::to_string(value) + "\n";
    }
    std::string text;
};

class replica_page : public metrics_page {
  public:
    explicit replica_page(const replica_board& board) : board_(board) {}
    // A number a shard.
    template <class Value>
    void of_shards(const std::string& name, std::string_view type, std::string_view help, Value value) {
        begin(name, type, help);
        for (const auto& [shard, face] : board_.faces()) line(name, shard_label(shard), value(face));
    }

  private:
    const replica_board& board_;
};

class peer_page : public metrics_page {
  public:
    explicit peer_page(const std::vector<peer_statistics>& peers) : peers_(peers) {}
    // A number a peer.
    template <class Value>
    void of_peers(const std::string& name, std::string_view type, std::string_view help, Value value) {
        begin(name, type, help);
        for (const peer_statistics& p : peers_)
            line(name, "node=\"" + std::to_string(p.node.value) + "\"", static_cast<std::uint64_t>(value(p)));
    }

  private:
    const std::vector<peer_statistics>& peers_;
};

void write_lag(const replica_board& board, metrics_page& to) {
    const std::string name = "coppice_replica_lag_entries";
    to.begin(name, "gauge", "Log entries that a follower does not have on disk, as its primary knows.");
    for (const auto& [shard, face] : board.faces())
        for (const auto& f : face.followers) {
            const std::uint32_t node = f.node.load();
            if (node == 0) continue;
            const std::uint64_t last = face.last.load(), match = f.match.load();
            to.line(name, shard_label(shard) + ",node=\"" + std::to_string(node) + "\"",
                    last > match ? last - match : 0);
        }
}

} // namespace

health_answer judge_replicas(const replica_board& board, instant now) {
    for (const auto& [shard, face] : board.faces()) {
        const replica_role role = face.role.load();
        const std::string about = "shard " + std::to_string(shard.value) + ": ";
        const auto since = face.stands_since_us.load();
        if (since != 0 && now - from_us(since) > limits::replica_standstill_max)
            return {false, about + "stands still at entry " + std::to_string(face.applied.load()) + " of " +
                               std::to_string(face.committed.load())};
        if (role == replica_role::serving || role == replica_role::secondary || role == replica_role::out) continue;
        return {false, about + "this node's replica is " + std::string{to_string(role)}};
    }
    return {true, "ready"};
}

std::string replica_metrics_text(const replica_board& board) {
    replica_page page{board};
    page.of_shards("coppice_replica_committed_index", "gauge",
                   "Newest log entry that this node knows to be committed, or has under way as primary.",
                   [](const replica_face& f) { return f.committed.load(); });
    page.of_shards("coppice_replica_applied_index", "gauge", "Newest log entry in the tables of this node.",
                   [](const replica_face& f) { return f.applied.load(); });
    page.of_shards("coppice_replica_log_index", "gauge", "Newest log entry that this node has.",
                   [](const replica_face& f) { return f.last.load(); });
    page.of_shards("coppice_replica_epoch", "gauge", "Number of the primary; grows with every takeover.",
                   [](const replica_face& f) { return f.epoch.load(); });
    page.of_shards("coppice_replica_serving", "gauge", "1 on the node that leads the shard.",
                   [](const replica_face& f) { return f.role.load() == replica_role::serving ? 1U : 0U; });
    page.of_shards("coppice_replica_in_sync", "gauge", "Replicas in the shard's set, as this node knows it.",
                   [](const replica_face& f) { return f.in_sync.load(); });
    page.of_shards("coppice_replica_takeovers_total", "counter", "How often this node began to lead.",
                   [](const replica_face& f) { return f.takeovers.load(); });
    page.of_shards("coppice_replica_snapshots_sent_total", "counter",
                   "Snapshots that this node has sent, as primary, to replicas that were behind the log.",
                   [](const replica_face& f) { return f.snapshots_sent.load(); });
    page.of_shards("coppice_replica_snapshots_installed_total", "counter", "Snapshots that this node has taken.",
                   [](const replica_face& f) { return f.snapshots_installed.load(); });
    write_lag(board, page);
    return std::move(page.text);
}

std::string peer_metrics_text(const std::vector<peer_statistics>& peers) {
    peer_page page{peers};
    const auto up = std::ranges::count_if(peers, &peer_statistics::up);
    page.begin("coppice_peer_links", "gauge", "Links to other nodes that are up.");
    page.line("coppice_peer_links", "", static_cast<std::uint64_t>(up));
    page.of_peers("coppice_peer_up", "gauge", "1 while there is a link to that node.",
                  [](const peer_statistics& p) { return p.up ? 1 : 0; });
    page.of_peers("coppice_peer_flaps_total", "counter", "Links to that node that ended soon after they began.",
                  [](const peer_statistics& p) { return p.flaps; });
    page.of_peers("coppice_peer_failures_total", "counter", "Tries to reach that node that led to no link.",
                  [](const peer_statistics& p) { return p.failures; });
    page.of_peers("coppice_peer_bytes_sent_total", "counter", "Bytes of frames to that node.",
                  [](const peer_statistics& p) { return p.bytes_out; });
    page.of_peers("coppice_peer_window_bytes", "gauge", "Bytes to that node that it has not taken yet.",
                  [](const peer_statistics& p) { return p.control_in_use + p.bulk_in_use; });
    return std::move(page.text);
}

std::string control_metrics_text(const control_meter& control) {
    metrics_page page;
    page.begin("coppice_control_call_seconds", "summary",
               "Calls of the control store, from the call to its answer.");
    page.line("coppice_control_call_seconds_count", "", control.calls.load());
    std::array<char, 32> seconds{};
    std::snprintf(seconds.data(), seconds.size(), "%.6f", static_cast<double>(control.total_us.load()) / 1e6);
    page.text += std::string{"coppice_control_call_seconds_sum "} + seconds.data() + "\n";
    page.begin("coppice_control_failures_total", "counter", "Calls of the control store that it did not answer.");
    page.line("coppice_control_failures_total", "", control.failed.load());
    return std::move(page.text);
}

} // namespace coppice
