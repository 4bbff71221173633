// One watch over etcd: a stream that is opened again wherever it ended, so that its watcher hears every change
// once.
//
//   list (when there is no position, or it is gone) -> stream from the next revision -> ... lost -> wait -> stream
//
// A frozen endpoint keeps its connections open and says nothing, so the same endpoint is asked for its revision in
// between: no answer ends the stream. The revision also shows an etcd that has gone back in time (restored): then
// all is listed again.
//
// Lives on the loop's thread. Make it with make_shared; callbacks hold it weakly.
#pragma once

#include "cluster/control/control_store.hpp"
#include "cluster/control/etcd_client.hpp"
#include "cluster/control/etcd_messages.hpp"

namespace coppice {

class etcd_watch : public std::enable_shared_from_this<etcd_watch> {
  public:
    etcd_watch(etcd_client& client, std::string below, std::optional<control_position> from,
               std::shared_ptr<control_watcher> watcher);
    ~etcd_watch() { close(); }
    etcd_watch(const etcd_watch&) = delete;
    etcd_watch& operator=(const etcd_watch&) = delete;

    void begin();

  private:
    void listed(expected<control_listing> all);
    void open_stream();
    void start_stream(const std::string& token);
    void data(std::string& buffer);
    void line(std::string_view text);
    void message(etcd_watch_message m);
    void stream_ended(const http_result& result);
    void probe();
    void probed(const etcd_result& result, std::uint64_t known);
    // The stream is of no use any more: tells why, and begins again after a while.
    void lost(const failure& why);
    void start_anew();
    void close();
    void begin_later();
    failure of_endpoint(errc code, const std::string& text) const;

    // `f`, unless this is gone or has begun again meanwhile.
    template <class F>
    auto mine(F f) {
        return [weak = weak_from_this(), attempt = attempt_, f](auto&&... args) {
            const auto self = weak.lock();
            if (self && self->attempt_ == attempt) f(*self, std::forward<decltype(args)>(args)...);
        };
    }

    etcd_client& client_;
    http_loop& loop_;
    const std::string below_;
    std::optional<control_position> at_; // of what the watcher knows
    const std::shared_ptr<control_watcher> watcher_;
    std::uint64_t attempt_ = 0;
    unsigned failures_ = 0; // since the last sign of life
    std::mt19937_64 random_;
    std::string told_; // why it is disconnected, as the watcher was told
    std::size_t endpoint_ = 0;
    http_loop::id stream_ = 0;
    http_loop::id timer_ = 0;
    bool created_ = false;
};

} // namespace coppice
