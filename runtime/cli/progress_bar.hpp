// How far a wait or a batch is, on stderr: a bar on a terminal, plain lines at most one a second otherwise.
//
// Nothing here reads a clock; `update` is called as often as there is news and draws only when it is time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/cli/console.hpp"
#include "schema/time.hpp"

namespace coppice::cli {

struct progress_counts {
    std::uint64_t done = 0;             // ended, or accepted; those that failed included
    std::uint64_t failed = 0;           // of these
    std::optional<std::uint64_t> total; // not known while the input is read
};

// One line of at most `width` cells (0: no bound, and then without the bar):
// "[#######.......]  512/1,000 ended, 2 failed, 830/s".
std::string progress_line(const std::string& word, const progress_counts& counts, double per_second,
                          std::size_t width);

class progress_bar {
  public:
    // `word`: what happens to each, "ended", "submitted". Lives no longer than the console.
    progress_bar(console& to, std::string word, instant now);
    void update(const progress_counts& counts, instant now);
    // The last word, drawn whatever the time, as a line that stays. Says nothing when update was never called.
    void finish(instant now);

  private:
    double rate(instant now) const;

    console& console_;
    std::string word_;
    instant began_;
    instant drawn_ = never;
    progress_counts counts_;
    bool called_ = false;
};

} // namespace coppice::cli
