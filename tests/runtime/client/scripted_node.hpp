// A server of api.capnp whose answers a test decides, on the test's own loop and a real TCP socket: for what a real
// node does too rarely, such as falling over between a call and its answer.
#pragma once

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "runtime/client/client.hpp"
#include "runtime/client/wire.hpp"
#include "runtime/client/worker.hpp"
#include "schema/api.capnp.h"

namespace coppice::client::testing {

template <class Params, class Results>
using call_context = capnp::CallContext<Params, Results>;

// What the test decides. A handler that breaks the node off returns `never_answer()`.
struct script {
    std::function<failure(std::string token)> login = [](std::string) { return failure{errc::ok, {}}; };
    std::function<kj::Promise<void>(call_context<api::JobService::SubmitParams, api::JobService::SubmitResults>)>
        submit;
    std::function<kj::Promise<void>(call_context<api::JobService::GetParams, api::JobService::GetResults>)> get;
    std::function<kj::Promise<void>(call_context<api::JobService::FollowParams, api::JobService::FollowResults>)>
        follow;
    std::function<kj::Promise<void>(
        call_context<api::WorkerSession::ReportParams, api::WorkerSession::ReportResults>)>
        report;
    std::function<void(const std::vector<attempt_ref>& beats)> heartbeat;
    std::function<std::vector<attempt_ref>(const std::vector<attempt_ref>& running)> keep = [](const auto& all) {
        return all;
    };
    std::uint32_t silence_max_ms = 15'000;
    int logins = 0;
    int attaches = 0;
    int drains = 0;
    std::vector<std::vector<attempt_ref>> presented;
    api::Worker::Client worker = nullptr; // the newest that attached
};

inline kj::Promise<void> never_answer() { return kj::Promise<void>(kj::NEVER_DONE); }

class session_server final : public api::WorkerSession::Server {
  public:
    explicit session_server(script& s) : s_(s) {}

  protected:
    kj::Promise<void> report(ReportContext context) override { return s_.report(context); }
    kj::Promise<void> heartbeat(HeartbeatContext context) override {
        if (s_.heartbeat) s_.heartbeat(read_all<attempt_ref>(context.getParams().getAttempts()));
        return kj::READY_NOW;
    }
    kj::Promise<void> drain(DrainContext) override {
        ++s_.drains;
        return kj::READY_NOW;
    }

  private:
    script& s_;
};

class worker_server final : public api::WorkerService::Server {
  public:
    explicit worker_server(script& s) : s_(s) {}

  protected:
    kj::Promise<void> attach(AttachContext context) override {
        ++s_.attaches;
        const auto running = read_all<attempt_ref>(context.getParams().getRunning());
        s_.presented.push_back(running);
        s_.worker = context.getParams().getWorker();
        const auto kept = s_.keep(running);
        auto list = context.getResults().initKept(static_cast<unsigned>(kept.size()));
        for (unsigned i = 0; i < list.size(); ++i) write(list[i], kept[i]);
        context.getResults().setSilenceMaxMs(s_.silence_max_ms);
        context.getResults().setSession(kj::heap<session_server>(s_));
        return kj::READY_NOW;
    }

  private:
    script& s_;
};

class job_server final : public api::JobService::Server {
  public:
    explicit job_server(script& s) : s_(s) {}

  protected:
    kj::Promise<void> submit(SubmitContext context) override { return s_.submit(context); }
    kj::Promise<void> get(GetContext context) override { return s_.get(context); }
    kj::Promise<void> follow(FollowContext context) override { return s_.follow(context); }

  private:
    script& s_;
};

class gate_server final : public api::Gate::Server {
  public:
    explicit gate_server(script& s) : s_(s) {}

  protected:
    kj::Promise<void> login(LoginContext context) override {
        ++s_.logins;
        const failure f = s_.login(text_of(context.getParams().getToken()));
        if (f.code != errc::ok) {
            write(context.getResults().initFailure(), f);
            return kj::READY_NOW;
        }
        auto grant = context.getResults().initGrant();
        grant.setRole("test");
        grant.setJobs(kj::heap<job_server>(s_));
        grant.setWorkers(kj::heap<worker_server>(s_));
        return kj::READY_NOW;
    }

  private:
    script& s_;
};

class scripted_node final : private kj::TaskSet::ErrorHandler {
  public:
    explicit scripted_node(kj::AsyncIoContext& io) : io_(io), tasks_(*this) { start(); }

    script answers;

    std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
    std::size_t connections() const { return open_.size(); }

    // As a kill -9 and a start: every connection is cut, what was under way is never answered.
    void cut_connections() {
        auto gone = kj::mv(open_);
        open_.clear();
        for (auto& [number, c] : gone) tasks_.add(kj::evalLater([] {}).attach(kj::mv(c)));
    }
    void stop() {
        accepting_ = nullptr;
        cut_connections();
    }
    void start() {
        auto address = io_.provider->getNetwork().parseAddress("127.0.0.1", port_).wait(io_.waitScope);
        auto listener = address->listen();
        port_ = listener->getPort();
        auto loop = accept(*listener);
        accepting_ = loop.attach(kj::mv(listener)).eagerlyEvaluate([](kj::Exception&&) {});
    }

  private:
    struct connection {
        connection(kj::Own<kj::AsyncIoStream> s, script& answers)
            : stream(kj::mv(s)), network(*stream, capnp::rpc::twoparty::Side::SERVER),
              system(capnp::makeRpcServer(network, kj::heap<gate_server>(answers))) {}
        kj::Own<kj::AsyncIoStream> stream;
        capnp::TwoPartyVatNetwork network;
        capnp::RpcSystem<capnp::rpc::twoparty::VatId> system;
    };

    kj::Promise<void> accept(kj::ConnectionReceiver& listener) {
        return listener.accept().then([this, &listener](kj::Own<kj::AsyncIoStream> stream) {
            auto made = kj::heap<connection>(kj::mv(stream), answers);
            const int number = ++accepted_;
            tasks_.add(made->network.onDisconnect().then([this, number] {
                const auto found = open_.find(number);
                if (found == open_.end()) return;
                tasks_.add(kj::evalLater([] {}).attach(kj::mv(found->second)));
                open_.erase(found);
            }));
            open_.emplace(number, kj::mv(made));
            return accept(listener);
        });
    }
    void taskFailed(kj::Exception&&) override {}

    kj::AsyncIoContext& io_;
    kj::TaskSet tasks_;
    unsigned port_ = 0;
    int accepted_ = 0;
    std::map<int, kj::Own<connection>> open_;
    kj::Promise<void> accepting_ = nullptr;
};

// Small waits, so that a test of patience takes milliseconds.
inline options quick(const scripted_node& node) {
    options o;
    o.server = node.address();
    o.token = "t";
    o.backoff_min = milliseconds{1};
    o.backoff_max = milliseconds{10};
    o.retry_for = milliseconds{5000};
    o.call_timeout = milliseconds{5000};
    return o;
}

inline job_id some_job(std::uint64_t n) { return job_id::make(1'700'000'000'000, shard_id{0}, tenant_id{1}, n); }

// Turns the loop until `done`; false after five seconds.
inline bool until(kj::AsyncIoContext& io, const std::function<bool()>& done) {
    auto& timer = io.provider->getTimer();
    const auto deadline = timer.now() + 5 * kj::SECONDS;
    while (!done()) {
        if (timer.now() > deadline) return false;
        timer.afterDelay(1 * kj::MILLISECONDS).wait(io.waitScope);
    }
    return true;
}

} // namespace coppice::client::testing
