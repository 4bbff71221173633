// `job submit -f`: a stream of lines becomes a stream of jobs.
//
// Intuition: lines gather in a batch; a full batch, or whatever is there when the input has nothing more at the
// moment, goes out as one call. Several calls are under way at once and may be answered in any order; what is
// printed is in the order of the input, each id after its commit.
//
// A line that is wrong or refused is reported by its number, and the rest goes on; only what time and other lines
// do not heal (no node, no valid token) ends the reading. A full queue is waited for (limits::submit_patience).
//
// Memory: limits::submit_calls_max batches of limits::submit_call_bytes_max, twice (a batch is kept until it is
// answered), whatever the number of lines; with `wait` the jobs not yet ended besides (end_tracker.hpp).
//
// Thread: the loop's.
#pragma once

#include <kj/async-io.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/cli/end_follower.hpp"
#include "runtime/cli/input_source.hpp"
#include "runtime/cli/invocation.hpp"
#include "runtime/cli/ndjson_reader.hpp"
#include "runtime/cli/progress_bar.hpp"
#include "runtime/client/client.hpp"

namespace coppice::cli {

// How the lines are taken.
struct line_manner {
    // What a line asks for; nothing: it is passed over. Empty: parse_job_line.
    std::function<expected<std::optional<client::job_spec>>(std::string_view)> parse;
    bool prints_ids = true; // of jobs that were taken; what is refused is always reported
};

class bulk_submit final : private kj::TaskSet::ErrorHandler {
  public:
    // All outlive this. `ends`, when jobs are to be waited for: it hears of every call and every job accepted.
    bulk_submit(invocation& call, client::client& node, input_source& input, kj::Timer& timer, output_format format,
                end_tracker* ends, line_manner how = {});

    // Until every line was read, and each sent one answered and printed.
    kj::Promise<void> run();
    // Reads no further; run() ends when what is under way is answered.
    void stop();
    // Called when lines were answered.
    void on_answers(std::function<void()> heard) { heard_ = std::move(heard); }
    // Jobs that were there before, by their idempotency key; they may have ended long ago. Gives each once.
    std::vector<job_id> take_existing() { return std::exchange(existing_, {}); }

    std::uint64_t accepted() const { return accepted_; }
    std::uint64_t refused() const { return refused_; }
    std::uint64_t were_there() const { return were_there_; } // of the accepted: by their keys
    std::uint64_t bytes_read() const { return bytes_read_; }
    std::uint64_t lines() const { return accepted_ + refused_; } // answered so far
    bool input_ended() const { return input_ended_; }
    // Set when the reading ended before the input did.
    const std::optional<failure>& fatal() const { return fatal_; }

  private:
    struct line_outcome {
        std::uint64_t line = 0;
        expected<client::submitted> answer;
    };
    struct batch {
        std::vector<line_outcome> lines;
        std::vector<std::size_t> open;       // of `lines`: those without an answer yet
        std::vector<client::job_spec> specs; // one for each of `open`
        std::size_t bytes = 0;
        std::uint64_t ticket = 0;
        milliseconds next_delay{100};
        kj::TimePoint patient_until = kj::origin<kj::TimePoint>();
        bool answered = false;
    };

    kj::Promise<void> read_on();
    kj::Promise<void> all_answered();
    bool fill();
    void take(input_line line);
    void send();
    kj::Promise<void> deliver(batch& b);
    kj::Promise<void> settle(batch& b, std::vector<expected<client::submitted>> answers);
    void close(batch& b);
    void print_ready();
    void print(const batch& b);
    void report(const batch& b, std::size_t first, std::size_t last);
    void taskFailed(kj::Exception&& exception) override;

    invocation& call_;
    client::client& node_;
    input_source& input_;
    kj::Timer& timer_;
    output_format format_;
    end_tracker* ends_;
    line_manner how_;
    ndjson_reader reader_;
    std::unique_ptr<batch> filling_;
    std::deque<std::unique_ptr<batch>> sent_; // in order of input
    std::size_t under_way_ = 0;
    kj::Own<kj::PromiseFulfiller<void>> slot_free_;
    kj::Own<kj::PromiseFulfiller<void>> stop_asked_;
    kj::ForkedPromise<void> stopped_;
    bool stopping_ = false;
    bool input_ended_ = false;
    std::uint64_t accepted_ = 0;
    std::uint64_t refused_ = 0;
    std::uint64_t were_there_ = 0;
    std::uint64_t bytes_read_ = 0;
    std::vector<job_id> existing_;
    std::optional<failure> fatal_;
    std::function<void()> heard_;
    kj::TaskSet tasks_;
};

} // namespace coppice::cli
