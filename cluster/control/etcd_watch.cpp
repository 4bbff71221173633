#include "cluster/control/etcd_watch.hpp"

#include "cluster/control/etcd_list.hpp"

namespace coppice {

etcd_watch::etcd_watch(etcd_client& client, std::string below, std::optional<control_position> from,
                       std::shared_ptr<control_watcher> watcher)
    : client_(client), loop_(client.loop()), below_(std::move(below)), at_(from), watcher_(std::move(watcher)),
      random_(std::random_device{}()) {}

failure etcd_watch::of_endpoint(errc code, const std::string& text) const {
    return {code, "the watch on etcd at " + client_.name(endpoint_) + ": " + text};
}

void etcd_watch::close() {
    ++attempt_;
    loop_.abort(std::exchange(stream_, 0));
    loop_.cancel(std::exchange(timer_, 0));
}

void etcd_watch::begin() {
    close();
    if (at_) return open_stream();
    etcd_list(client_, below_,
              mine([](etcd_watch& w, expected<control_listing> all) { w.listed(std::move(all)); }));
}

void etcd_watch::begin_later() {
    close();
    timer_ = loop_.after(control_backoff(++failures_, random_), mine([](etcd_watch& w) { w.begin(); }));
}

void etcd_watch::start_anew() {
    at_.reset();
    begin_later();
}

void etcd_watch::lost(const failure& why) {
    begin_later();
    const std::string text = to_string(why);
    if (std::exchange(told_, text) != text) watcher_->disconnected(why);
}

void etcd_watch::listed(expected<control_listing> all) {
    if (!all) return lost(all.error());
    at_ = all->at;
    watcher_->reset(std::move(*all));
    open_stream();
}

// ---- the stream

void etcd_watch::open_stream() {
    const auto choice = client_.endpoints().pick(http_loop::clock::now());
    if (choice.wait > milliseconds{0}) {
        timer_ = loop_.after(choice.wait, mine([](etcd_watch& w) { w.open_stream(); }));
        return;
    }
    endpoint_ = choice.index;
    client_.with_token(mine([](etcd_watch& w, const tl::expected<std::string, etcd_trouble>& token) {
        token ? w.start_stream(*token) : w.lost(token.error().why);
    }));
}

void etcd_watch::start_stream(const std::string& token) {
    created_ = false;
    timer_ = loop_.after(client_.options().try_timeout, mine([](etcd_watch& w) {
                             w.client_.endpoints().failed(w.endpoint_, http_loop::clock::now());
                             w.lost(w.of_endpoint(errc::unavailable, "no answer in time"));
                         }));
    stream_ = loop_.start({.url = client_.url(endpoint_, "watch"),
                           .body = etcd_watch_request(client_.options().prefix + below_, at_->revision + 1),
                           .authorization = token,
                           .connect_timeout = client_.options().connect_timeout,
                           .on_data = mine([](etcd_watch& w, std::string& buffer) { w.data(buffer); }),
                           .done = mine([](etcd_watch& w, const http_result& result) { w.stream_ended(result); })});
}

void etcd_watch::stream_ended(const http_result& result) {
    stream_ = 0;
    // More changes than may come in one message: a list gives them in pages.
    if (result.too_large) return start_anew();
    client_.endpoints().failed(endpoint_, http_loop::clock::now());
    lost(of_endpoint(errc::unavailable, result.answered
                                            ? "it ended, with HTTP status " + std::to_string(result.status)
                                            : result.problem));
}

void etcd_watch::data(std::string& buffer) {
    const std::uint64_t attempt = attempt_;
    std::size_t taken = 0;
    for (auto end = buffer.find('\n'); end != std::string::npos; end = buffer.find('\n', taken)) {
        line(std::string_view{buffer}.substr(taken, end - taken));
        if (attempt_ != attempt) return;
        taken = end + 1;
    }
    buffer.erase(0, taken);
}

void etcd_watch::line(std::string_view text) {
    const auto json = etcd_json(text);
    auto read = json ? etcd_watch_answer(*json, client_.options().prefix, below_, at_->revision)
                     : expected<etcd_watch_message>{tl::unexpected(json.error())};
    if (read) return message(std::move(*read));
    client_.endpoints().failed(endpoint_, http_loop::clock::now());
    lost(of_endpoint(read.error().code, read.error().detail));
}

void etcd_watch::message(etcd_watch_message m) {
    if (m.at.history != at_->history || m.compacted != 0) return start_anew();
    if (m.canceled) {
        client_.drop_token(); // etcd says the same of a stale token as of one without the permission
        return lost(of_endpoint(m.reason.find("permission denied") == std::string::npos ? errc::unavailable
                                                                                        : errc::permission_denied,
                                m.reason.empty() ? "cancelled" : m.reason));
    }
    if (m.created && !std::exchange(created_, true)) {
        loop_.cancel(std::exchange(timer_, 0));
        probe();
    }
    if (m.changes.empty()) return;
    if (!created_) return lost(of_endpoint(errc::message_invalid, "changes before the watch was made"));
    at_->revision = m.changes.back().revision;
    watcher_->changed(std::move(m.changes), *at_);
}

// ---- signs of life

void etcd_watch::probe() {
    client_.call(
        {.path = "kv/range",
         .body = etcd_count_request(client_.options().prefix + below_),
         .endpoint = endpoint_,
         .patience = client_.options().try_timeout,
         .done = mine([known = at_->revision](etcd_watch& w, const etcd_result& r) { w.probed(r, known); })});
}

// `known` is the revision that was known when it was asked: meanwhile the stream may have brought newer changes
// than the answer saw, and that is no etcd that has gone back in time.
void etcd_watch::probed(const etcd_result& result, std::uint64_t known) {
    if (!result) return lost(result.error().why);
    const auto range = etcd_range_answer(*result, client_.options().prefix, below_, 0);
    if (!range) return lost(of_endpoint(range.error().code, range.error().detail));
    if (range->at.history != at_->history || range->at.revision < known) return start_anew();
    failures_ = 0;
    told_.clear();
    timer_ = loop_.after(client_.options().probe_interval, mine([](etcd_watch& w) { w.probe(); }));
    watcher_->connected(range->at);
}

} // namespace coppice
