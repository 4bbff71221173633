#include "runtime/observability/replica_metrics.hpp"

namespace coppice {
namespace {

std::string shard_label(shard_id shard) { return "shard=\"" + std::to_string(shard.value) + "\""; }

class metrics_page {
  public:
    explicit metrics_page(const replica_board& board) : board_(board) {}

    void begin(const std::string& name, std::string_view type, std::string_view help) {
        text += "# HELP " + name + " " + std::string{help} + "\n# TYPE " + name + " " + std::string{type} + "\n";
    }
    void line(const std::string& name, const std::string& labels, std::uint64_t value) {
        text += name + (labels.empty() ? "" : "{" + labels + "}") + " " + std::to_string(value) + "\n";
    }
    // A number a shard.
    template <class Value>
    void of_shards(const std::string& name, std::string_view type, std::string_view help, Value value) {
        begin(name, type, help);
        for (const auto& [shard, face] : board_.faces()) line(name, shard_label(shard), value(face));
    }

    std::string text;

  private:
    const replica_board& board_;
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

std::string replica_metrics_text(const replica_board& board, std::size_t links) {
    metrics_page page{board};
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
    write_lag(board, page);
    page.begin("coppice_peer_links", "gauge", "Links to other nodes that are up.");
    page.line("coppice_peer_links", "", links);
    return std::move(page.text);
}

} // namespace coppice
