#include "gateway/serve.h"

#include <gtest/gtest.h>

#include <set>

#include "io/http.h"
#include "store/keys.h"

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

TEST(KeyFile, HoldsKeysWithLimits) {
  const auto set =
      parse_key_file("# comment\n\nfirst-long-enough-key 60 1000 4\r\n  second-long-enough-key\n");
  ASSERT_TRUE(set) << set.error().to_string();
  EXPECT_TRUE(set->required);
  ASSERT_EQ(set->keys.size(), 2u);
  const domain::Key& key = set->keys.at(store::key_digest("first-long-enough-key"));
  EXPECT_EQ(key.limits.requests_per_minute, 60u);
  EXPECT_EQ(key.limits.tokens_per_minute, 1000u);
  EXPECT_EQ(key.limits.concurrent, 4u);
  EXPECT_EQ(set->keys.at(store::key_digest("second-long-enough-key")).limits.concurrent, 0u);
}

TEST(KeyFile, ErrorsNameTheLineAndNeverTheKey) {
  for (const char* bad : {"short\n", "first-long-enough-key x\n", "first-long-enough-key 1 -2\n",
                          "first-long-enough-key\nfirst-long-enough-key\n"}) {
    const auto set = parse_key_file(bad);
    ASSERT_FALSE(set) << bad;
    EXPECT_NE(set.error().message().find("line "), std::string::npos);
    EXPECT_EQ(set.error().message().find("long-enough"), std::string::npos);
  }
  EXPECT_FALSE(parse_key_file("# nothing\n"));
}

TEST(KeyFile, AKeyThatStaysKeepsItsSlot) {
  const auto before = parse_key_file("first-long-enough-key\nsecond-long-enough-key\n");
  auto after = parse_key_file("third-long-enough-key\nsecond-long-enough-key\nfourth-long-enough-key\n");
  ASSERT_TRUE(before && after);
  keep_slots(*after, *before);
  const auto slot = [&](const char* key) { return after->keys.at(store::key_digest(key)).slot; };
  EXPECT_EQ(slot("second-long-enough-key"),
            before->keys.at(store::key_digest("second-long-enough-key")).slot);
  EXPECT_EQ((std::set{slot("second-long-enough-key"), slot("third-long-enough-key"),
                      slot("fourth-long-enough-key")}),
            (std::set<std::uint32_t>{0, 1, 2}));
}

}  // namespace
}  // namespace slipway::gateway
