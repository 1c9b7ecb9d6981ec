#include "control/cluster_view.h"

#include <gmock/gmock.h>

#include <set>

namespace slipway::control {
namespace {

using domain::ReplicaState;
using kube::ReplicaSighting;

ReplicaSighting sighting(const std::string& id, const std::string& model,
                         ReplicaState state = ReplicaState::ready) {
  return {.id = id,
          .model_id = model,
          .alias = "org/" + model,
          .framework = "vllm",
          .endpoint = {.path = {}, .host = "10.0.0.1", .port = 8000},
          .state = state,
          .waits_for = state == ReplicaState::ready ? "" : "weights are read",
          .created = 100};
}

TEST(ClusterView, AModelHasItsReplicasInOrderWithItsAlias) {
  ClusterView view({"models"});
  view.set_slices("models", {sighting("b", "qwen"), sighting("a", "qwen")});
  const domain::Snapshot snapshot = view.snapshot();
  EXPECT_EQ(snapshot.version, 1u);
  const domain::Model* model = snapshot.find("org/qwen");
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->id, "qwen");
  EXPECT_EQ(model->served_as, "qwen");
  EXPECT_EQ(model->created, 100);
  ASSERT_EQ(model->replicas.size(), 2u);
  EXPECT_EQ(model->replicas[0].id.str(), "a");
  EXPECT_TRUE(model->unready_reason.empty());
}

TEST(ClusterView, ASlotStaysWithItsReplicaAndIsReusedAfterIt) {
  ClusterView view({"models"});
  view.set_slices("models", {sighting("a", "qwen"), sighting("b", "qwen")});
  const std::uint32_t b = view.snapshot().models[0].replicas[1].slot;
  view.set_slices("models", {sighting("b", "qwen")});
  EXPECT_EQ(view.snapshot().models[0].replicas[0].slot, b);
  view.set_slices("models", {sighting("b", "qwen"), sighting("c", "qwen")});
  const domain::Snapshot snapshot = view.snapshot();
  EXPECT_EQ(snapshot.models[0].replicas[0].slot, b);
  EXPECT_EQ(snapshot.models[0].replicas[1].slot, 1 - b);
}

TEST(ClusterView, TheFirstNamespaceHasThePlainName) {
  ClusterView view({"prod", "lab"});
  view.set_slices("lab", {sighting("a", "qwen"), sighting("c", "other")});
  view.set_slices("prod", {sighting("a", "qwen")});
  const domain::Snapshot snapshot = view.snapshot();
  std::set<std::string> ids;
  std::set<std::uint32_t> slots;
  for (const domain::Model& model : snapshot.models) {
    ids.insert(model.id);
    for (const domain::Replica& replica : model.replicas) slots.insert(replica.slot);
  }
  EXPECT_THAT(ids, ::testing::ElementsAre("lab/qwen", "other", "qwen"));
  EXPECT_EQ(slots.size(), 3u);
  EXPECT_EQ(snapshot.find("lab/qwen")->served_as, "qwen");
}

TEST(ClusterView, WhileNobodyIsReadyTheNearestReplicaSaysWhy) {
  ClusterView view({"models"});
  ReplicaSighting pending = sighting("a", "qwen", ReplicaState::pending);
  pending.endpoint.host.clear();
  pending.waits_for = "no node";
  view.set_pods("models", {pending, sighting("b", "qwen", ReplicaState::ready)});  // ready, but in no slice
  const domain::Snapshot snapshot = view.snapshot();
  EXPECT_EQ(snapshot.models[0].unready_reason, "its replicas are starting");
  EXPECT_GT(snapshot.models[0].retry_after, base::Duration::zero());
  view.set_pods("models", {pending});
  EXPECT_EQ(view.snapshot().models[0].unready_reason, "no node");
}

TEST(ClusterView, MoreReplicasThanSlotsAreLeftOutAndCounted) {
  ClusterView view({"models"});
  std::vector<ReplicaSighting> many;
  for (std::size_t i = 0; i < domain::kMaxReplicas + 3; ++i)
    many.push_back(sighting("r" + std::to_string(i), "qwen"));
  view.set_slices("models", many);
  EXPECT_EQ(view.snapshot().models[0].replicas.size(), domain::kMaxReplicas);
  EXPECT_EQ(view.left_out(), 3u);
  many.resize(2);
  view.set_slices("models", many);
  EXPECT_EQ(view.snapshot().models[0].replicas.size(), 2u);
  EXPECT_EQ(view.left_out(), 0u);
}

}  // namespace
}  // namespace slipway::control
