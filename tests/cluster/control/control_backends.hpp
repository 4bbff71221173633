// The two backends, each made anew for a test.
#pragma once

#include "cluster/control/local_control_store.hpp"
#include "tests/cluster/control/control_fixture.hpp"
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

} // namespace coppice::testing
