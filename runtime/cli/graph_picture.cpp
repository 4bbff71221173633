#include "runtime/cli/graph_picture.hpp"

#include <algorithm>
#include <unordered_map>

#include "runtime/cli/job_output.hpp"
#include "runtime/cli/output.hpp"
#include "runtime/cli/terminal_text.hpp"

namespace coppice::cli {
namespace {

constexpr std::size_t indent_max = 20; // levels; deeper ones stand below each other
constexpr std::size_t parents_shown = 4;

} // namespace

std::string graph_text(const std::vector<client::job_view>& jobs) {
    std::unordered_map<job_id, std::size_t> places, levels;
    std::string text;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        const client::job_view& job = jobs[i];
        std::size_t level = 0;
        for (const job_id& parent : job.after)
            if (const auto of = levels.find(parent); of != levels.end()) level = std::max(level, of->second + 1);
        levels[job.id] = level;
        places[job.id] = i + 1;
        text += std::string(2 * std::min(level, indent_max), ' ') + std::to_string(i + 1) + "  " +
                to_string(job.id) + "  " + printable(job.type) + "  " + std::string{state_word(job.state)};
        std::size_t shown = 0;
        for (const job_id& parent : job.after) {
            if (++shown > parents_shown) continue;
            const auto at = places.find(parent);
            text += (shown == 1 ? "  after " : ", ") +
                    (at == places.end() ? to_string(parent) : std::to_string(at->second));
        }
        if (shown > parents_shown) text += " and " + std::to_string(shown - parents_shown) + " more";
        if (job.run_anyway) text += ", however they end";
        if (job.callback) text += "  when all others have ended";
        text += '\n';
    }
    return text;
}

std::string graph_dot(const std::vector<client::job_view>& jobs) {
    std::string text = "digraph jobs {\n  rankdir=LR;\n  node [shape=box];\n";
    for (const client::job_view& job : jobs) {
        const std::string id = json_string(to_string(job.id));
        const std::string label = printable(job.type) + "\n" + std::string{state_word(job.state)};
        text += "  " + id + " [label=" + json_string(label) + "];\n";
        for (const job_id& parent : job.after) text += "  " + json_string(to_string(parent)) + " -> " + id + ";\n";
    }
    return text + "}\n";
}

} // namespace coppice::cli
