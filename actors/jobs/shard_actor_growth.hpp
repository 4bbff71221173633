// Growing the job actors of a shard's running attempts, under their tenants' supervisors.
//
// An attempt gets its actor when it is `shard_options::grow_after` old, or when there is something to guard: a
// cancel, a deadline. One that ends before needs none, and actors that come and go for jobs quicker than they cost
// half of a shard's throughput. What happens meanwhile the shard notes (`live_attempt`) and tells the actor when
// it is there.
//
// All of it runs in the shard's actor.
#pragma once

#include "actors/jobs/shard_actor.hpp"

namespace coppice {

using shard_pointer = shard_handle::stateful_pointer<shard_state>;
using shard_options_ptr = std::shared_ptr<const shard_options>;

// The attempt is over, or its actor is gone with it: nothing is known of it any more.
void forget_attempt(shard_state& s, const attempt_ref& ref);

// Sees to it that these attempts of a tenant, all in `live`, get their actors now; starts the tenant's supervisor
// when it has none.
void grow_now(shard_pointer self, const shard_options_ptr& options, tenant_id tenant,
              std::vector<attempt_ref> refs);

// As grow_now, once they are old enough. What has ended by then is passed over.
void grow_later(shard_pointer self, const shard_options_ptr& options, tenant_id tenant,
                std::vector<attempt_ref> refs);

// The answer to `growth_due`: those that are old enough now.
void grow_due(shard_pointer self, const shard_options_ptr& options);

// A tenant's supervisor gave up: its job actors are gone with it, the attempts are not. Grows them again.
void regrow_tenant(shard_pointer self, const shard_options_ptr& options, const caf::down_msg& down);

} // namespace coppice
