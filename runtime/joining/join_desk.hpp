// Where a new node asks to be let in: a port of its own, on which this node shows its certificate and asks for
// none. One question, one answer, then the connection is over.
//
// Strangers come here: a conversation has limits::join_timeout and limits::join_message_size_max, and there are
// limits::join_conversations_max at a time; more are hung up on. One thread: that of the loop.
#pragma once

#include <functional>
#include <kj/async-io.h>
#include <memory>

#include "runtime/edge/kj_inbox.hpp"
#include "runtime/edge/tls.hpp"
#include "runtime/joining/join_wire.hpp"
#include "runtime/observability/log.hpp"

namespace coppice {

// `done` is called once, on any thread, or never when the node stops.
using join_admit = std::function<void(join_request, std::function<void(expected<join_grant>)> done)>;

struct join_desk_options {
    join_admit admit;
    std::shared_ptr<kj_inbox> inbox;
    logger log;
};

class join_desk final : private kj::TaskSet::ErrorHandler {
  public:
    join_desk(join_desk_options options, const tls_server& tls, kj::Timer& timer)
        : options_(std::move(options)), tls_(tls), timer_(timer), tasks_(*this) {}

    // Accepts for as long as the promise lives.
    kj::Promise<void> serve(kj::Own<kj::ConnectionReceiver> listener);

  private:
    void taskFailed(kj::Exception&& exception) override;
    void accepted(kj::Own<kj::AsyncIoStream> stream);
    kj::Promise<void> talk(kj::Own<kj::AsyncIoStream> stream);

    const join_desk_options options_;
    const tls_server& tls_;
    kj::Timer& timer_;
    std::size_t open_ = 0;
    kj::TaskSet tasks_;
};

} // namespace coppice
