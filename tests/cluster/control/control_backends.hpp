// The two backends, each made anew for a test.
#pragma once

#include "cluster/control/etcd_control_store.hpp"
#include "cluster/control/local_control_store.hpp"
#include "tests/cluster/control/control_fixture.hpp"
#include "tests/cluster/control/etcd_process.hpp"
#include "tests/persistence/store_fixture.hpp"

namespace coppice::testing {

class local_backend {
  public:
    local_backend() { open(); }
    control_store& operator*() { return *store_; }
    control_store* operator->() { return store_.get(); }
    // As after a restart of the process.
    void reopen() {
        store_.reset();
        open();
    }

  private:
    void open() {
        static constexpr std::array used{table::meta, table::control};
        rows_.reset();
        rows_ = must(open_lmdb_store({directory_.path() / "control.mdb", small_map, used}));
        store_ = must(make_local_control_store(std::make_shared<control_rows>(*rows_)));
    }
    scratch_directory directory_;
    std::unique_ptr<store> rows_;
    std::unique_ptr<control_store> store_;
};

// Quicker than a node would be, so that tests of failures are short.
inline etcd_options quick_options(std::vector<std::string> endpoints) {
    etcd_options o;
    o.endpoints = std::move(endpoints);
    o.prefix = "/coppice/test/";
    o.connect_timeout = milliseconds{500};
    o.try_timeout = milliseconds{1000};
    o.call_timeout = milliseconds{3000};
    o.probe_interval = milliseconds{200};
    return o;
}

class etcd_backend {
  public:
    etcd_backend() {
        etcd_options o = quick_options({process.endpoint()});
        o.call_timeout = patience; // a busy machine is not what these tests are about
        store_ = must(make_etcd_control_store(std::move(o)));
    }
    control_store& operator*() { return *store_; }
    control_store* operator->() { return store_.get(); }

    etcd_process process;

  private:
    std::unique_ptr<control_store> store_;
};

} // namespace coppice::testing
