// Follows the node's feed for an end_tracker. When the feed no longer reaches back to where we stand, or an id was
// known before we began, jobs are asked for one by one.
#pragma once

#include <kj/async.h>

#include <functional>
#include <optional>
#include <vector>

#include "runtime/cli/end_tracker.hpp"
#include "runtime/client/client.hpp"

namespace coppice::cli {

class end_follower {
  public:
    // Both outlive this. `since`: a feed position from before the first submit. `on_news` is called after each
    // change.
    end_follower(client::client& node, end_tracker& ends, const client::feed_place& since,
                 std::function<void()> on_news)
        : node_(node), ends_(ends), after_(since), on_news_(std::move(on_news)) {}

    // Until `no_more` was called and nothing is awaited, or a failure.
    kj::Promise<expected<void>> follow();
    void no_more() { no_more_ = true; }
    // These may have ended before; `follow` must be running for those that have not.
    kj::Promise<expected<void>> ask(std::vector<job_id> ids);

  private:
    bool finished() const { return no_more_ && ends_.awaited_count() == 0; }
    kj::Promise<expected<void>> start_anew();
    struct questions;
    kj::Promise<void> ask_next(questions& list);

    client::client& node_;
    end_tracker& ends_;
    client::feed_place after_;
    std::function<void()> on_news_;
    bool no_more_ = false;
};

} // namespace coppice::cli
