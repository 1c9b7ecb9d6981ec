#include "gateway/serve.h"

#include <gtest/gtest.h>

#include "io/http.h"

namespace slipway::gateway {
namespace {

using base::ErrorCode;

TEST(StaticSnapshot, GroupsReplicasByModelInOrder) {
  const auto s = static_snapshot({"b=127.0.0.1:2", "a=unix:/run/x.sock", "b=tcp:127.0.0.1:3"});
  ASSERT_TRUE(s) << s.error().to_string();
  ASSERT_EQ(s->models.size(), 2u);
  EXPECT_EQ(s->models[0].id, "a");
  EXPECT_EQ(s->models[0].replicas[0].endpoint.path, "/run/x.sock");
  ASSERT_EQ(s->models[1].replicas.size(), 2u);
  EXPECT_EQ(s->models[1].replicas[1].endpoint.port, 3);
  EXPECT_NE(s->models[1].replicas[0].slot, s->models[1].replicas[1].slot);
  EXPECT_EQ(s->models[1].replicas[0].state, domain::ReplicaState::ready);
}

TEST(StaticSnapshot, RefusesWhatIsNotModelAndEndpoint) {
  for (const char* bad : {"x", "=127.0.0.1:1", "m=", "m=nowhere"})
    EXPECT_FALSE(static_snapshot({bad})) << bad;
  EXPECT_EQ(static_snapshot({}).error().code(), ErrorCode::missing_key);
}

}  // namespace
}  // namespace slipway::gateway
