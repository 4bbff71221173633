// A scripted node that keeps what a worker reports.
#pragma once

#include <boost/test/unit_test.hpp>
#include <deque>

#include "scripted_node.hpp"

namespace coppice::client::testing {

struct reported {
    attempt_ref ref;
    api::AttemptReport::Outcome outcome;
    std::string result;
    errc code;
    std::vector<std::pair<std::uint64_t, std::string>> lines;
    float progress;
    std::string checkpoint;
};

struct worker_fixture {
    kj::AsyncIoContext io = kj::setupAsyncIo();
    scripted_node node{io};
    std::vector<reported> reports;
    std::vector<std::size_t> batches;
    std::deque<failure> answers; // for the next reports; ok when there is none left

    worker_fixture() {
        node.answers.report = [this](auto context) -> kj::Promise<void> {
            record(context.getParams().getReports());
            auto results = context.getResults().initResults(static_cast<unsigned>(batches.back()));
            for (unsigned i = 0; i < results.size() && !answers.empty(); ++i) {
                write(results[i], answers.front());
                answers.pop_front();
            }
            return kj::READY_NOW;
        };
    }
    void record(capnp::List<api::AttemptReport>::Reader list) {
        batches.push_back(list.size());
        for (const auto r : list) {
            reported seen{read(r.getRef()),
                          r.getOutcome(),
                          text_of(r.getResult()),
                          errc_from_number(r.getError().getCode()),
                          {},
                          r.getProgress(),
                          text_of(r.getCheckpoint())};
            for (const auto line : r.getLogs())
                seen.lines.emplace_back(line.getSequence(), text_of(line.getText()));
            reports.push_back(std::move(seen));
        }
    }
    bool attached(int times = 1) {
        return until(io, [&] { return node.answers.attaches >= times; });
    }
    // One call with these attempts.
    void assign(std::vector<std::uint64_t> jobs, std::uint64_t heartbeat_ms = 0, std::uint64_t grace_ms = 20) {
        auto request = node.answers.worker.assignRequest();
        auto list = request.initAssignments(static_cast<unsigned>(jobs.size()));
        for (unsigned i = 0; i < list.size(); ++i) {
            write(list[i].initRef(), {some_job(jobs[i]), 1});
            list[i].setType("t");
            list[i].setPayload(as_data("payload " + std::to_string(jobs[i])));
            list[i].setHeartbeatTimeoutMs(heartbeat_ms);
            list[i].setCancelGraceMs(grace_ms);
            list[i].setAttemptTimeoutMs(60'000);
            list[i].setResultBytesMax(1 << 20);
        }
        request.send().ignoreResult().wait(io.waitScope);
    }
    template <class Request>
    void tell(Request request, std::uint64_t job) {
        write(request.initAttempts(1)[0], {some_job(job), 1});
        request.send().ignoreResult().wait(io.waitScope);
    }
    bool reported_so_many(std::size_t count) {
        return until(io, [&] { return reports.size() >= count; });
    }
    worker_options slots(std::uint32_t count) { return {.name = "w", .types = {"t"}, .slots = count}; }
};

} // namespace coppice::client::testing
