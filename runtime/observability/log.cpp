#include "runtime/observability/log.hpp"

#include <atomic>
#include <cerrno>
#include <mutex>
#include <poll.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

namespace coppice {
namespace {

// The line comes ready; spdlog's own patterns would not escape it.
class line_formatter final : public spdlog::formatter {
  public:
    void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& to) override {
        to.append(message.payload.data(), message.payload.data() + message.payload.size());
        to.push_back('\n');
    }
    std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<line_formatter>(); }
};

class descriptor_sink final : public spdlog::sinks::base_sink<std::mutex> {
  public:
    explicit descriptor_sink(int descriptor)
        : base_sink(std::make_unique<line_formatter>()), descriptor_(descriptor) {}

  protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        spdlog::memory_buf_t line;
        formatter_->format(message, line);
        std::string_view rest{line.data(), line.size()};
        while (!rest.empty()) {
            const ssize_t put = ::write(descriptor_, rest.data(), rest.size());
            if (put >= 0) {
                rest.remove_prefix(static_cast<std::size_t>(put));
            } else if (errno == EAGAIN) { // a terminal that a shell made non-blocking
                pollfd ready{descriptor_, POLLOUT, 0};
                ::poll(&ready, 1, -1);
            } else if (errno != EINTR) {
                spdlog::throw_spdlog_ex("cannot write the log", errno); // caught by spdlog::logger, which counts
            }
        }
    }
    void flush_() override {}

  private:
    int descriptor_;
};

spdlog::level::level_enum level_of(log_level level) {
    switch (level) {
    case log_level::trace:
        return spdlog::level::trace;
    case log_level::debug:
        return spdlog::level::debug;
    case log_level::info:
        return spdlog::level::info;
    case log_level::warn:
        return spdlog::level::warn;
    case log_level::error:
        return spdlog::level::err;
    case log_level::off:
        break;
    }
    return spdlog::level::off;
}

} // namespace

std::optional<log_level> log_level_from_name(std::string_view name) {
    for (auto level = log_level::trace;; level = static_cast<log_level>(static_cast<int>(level) + 1)) {
        if (to_string(level) == name) return level;
        if (level == log_level::off) return std::nullopt;
    }
}

log_style style_for(int descriptor) { return ::isatty(descriptor) == 1 ? log_style::text : log_style::json; }

std::shared_ptr<spdlog::sinks::sink> make_descriptor_sink(int descriptor) {
    return std::make_shared<descriptor_sink>(descriptor);
}

struct logger::shared {
    shared(log_options o, std::shared_ptr<spdlog::sinks::sink> sink)
        : options(std::move(o)), level(options.level), log("coppice", std::move(sink)) {
        log.set_level(spdlog::level::trace);
        log.set_error_handler([this](const std::string&) { lost.fetch_add(1, std::memory_order_relaxed); });
    }

    const log_options options;
    std::atomic<log_level> level;
    std::atomic<std::uint64_t> lost{0};
    spdlog::logger log; // made here and never registered: the registry is a global
};

logger::logger(log_options options, std::shared_ptr<spdlog::sinks::sink> sink) {
    sink->set_formatter(std::make_unique<line_formatter>());
    shared_ = std::make_shared<shared>(std::move(options), std::move(sink));
}

logger logger::named(std::string component) const { return {shared_, std::move(component)}; }

bool logger::enabled(log_level level) const {
    return level >= shared_->level.load(std::memory_order_relaxed) && level != log_level::off;
}

void logger::set_level(log_level level) const { shared_->level.store(level, std::memory_order_relaxed); }

std::uint64_t logger::lines_lost() const { return shared_->lost.load(std::memory_order_relaxed); }

void logger::write(log_level level, std::string_view message, std::initializer_list<log_field> fields) const {
    if (!enabled(level)) return;
    const instant now = shared_->options.clock();
    const rendered_line line{now, level, component_, message, {fields.begin(), fields.size()}};
    const std::string text = shared_->options.style == log_style::json ? json_text(line) : terminal_text(line);
    shared_->log.log(now, spdlog::source_loc{}, level_of(level), spdlog::string_view_t{text});
}

} // namespace coppice
