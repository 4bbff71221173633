// For who tries it out: `coppice serve --dev`.
#pragma once

#include "actors/governance/catalog.hpp"
#include "actors/governance/control_actor.hpp"
#include "runtime/observability/log.hpp"

namespace coppice {

// What --dev declares, so that the first job needs no file. What is declared already stays as somebody made it.
void declare_development(const control_handle& control, const catalog& declared, const logger& log);

} // namespace coppice
