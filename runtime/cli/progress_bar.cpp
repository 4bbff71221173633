#include "runtime/cli/progress_bar.hpp"

#include <algorithm>
#include <cmath>

#include "runtime/cli/terminal_text.hpp"

namespace coppice::cli {
namespace {

constexpr milliseconds redraw_interval{100};
constexpr milliseconds line_interval{1000};
constexpr std::size_t bar_width_max = 40;
constexpr std::size_t bar_width_min = 8;

} // namespace

std::string progress_line(const std::string& word, const progress_counts& counts, double per_second,
                          std::size_t width) {
    std::string text = grouped(counts.done);
    if (counts.total) text += "/" + grouped(*counts.total);
    text += " " + word;
    if (counts.failed > 0) text += ", " + grouped(counts.failed) + " failed";
    if (per_second > 0) text += ", " + grouped(static_cast<unsigned long long>(std::llround(per_second))) + "/s";
    if (width == 0 || !counts.total || *counts.total == 0) return width == 0 ? text : cut_to_width(text, width - 1);
    // One cell stays free: a full line would wrap on some terminals.
    const std::size_t room = width > text.size() + 5 ? width - text.size() - 5 : 0;
    if (room < bar_width_min) return cut_to_width(text, width - 1);
    const std::size_t bar = std::min(room, bar_width_max);
    const auto full = static_cast<std::size_t>(static_cast<double>(bar) * static_cast<double>(counts.done) /
                                               static_cast<double>(*counts.total));
    const std::size_t filled = std::min(full, bar);
    return "[" + std::string(filled, '#') + std::string(bar - filled, '.') + "]  " + text;
}

progress_bar::progress_bar(console& to, std::string word, instant now)
    : console_(to), word_(std::move(word)), began_(now) {}

double progress_bar::rate(instant now) const {
    const double seconds = std::chrono::duration<double>(now - began_).count();
    return seconds < 0.5 ? 0 : static_cast<double>(counts_.done) / seconds;
}

void progress_bar::update(const progress_counts& counts, instant now) {
    counts_ = counts;
    const bool first = !called_;
    called_ = true;
    const auto interval = console_.err_is_terminal() ? redraw_interval : line_interval;
    // A plain line the moment that it begins would only say "0".
    if (first && !console_.err_is_terminal()) drawn_ = now;
    if (now - drawn_ < interval && now >= drawn_) return;
    drawn_ = now;
    if (console_.err_is_terminal())
        console_.show_status(progress_line(word_, counts_, rate(now), console_.err_width()));
    else
        console_.say(progress_line(word_, counts_, rate(now), 0));
}

void progress_bar::finish(instant now) {
    if (!called_) return;
    console_.say(progress_line(word_, counts_, rate(now), 0));
}

} // namespace coppice::cli
