#include "kube/start_phases.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace slipway::kube {
namespace {

using ::testing::ElementsAre;

std::string at(int second) {
  return fmt::format("2026-11-27T07:{:02}:{:02}Z", second / 60, second % 60);
}
Json condition(const char* type, int second) {
  return {{"type", type}, {"status", "True"}, {"lastTransitionTime", at(second)}};
}
Json running(const char* name, int second, int restarts = 0) {
  return {{"name", name}, {"restartCount", restarts}, {"state", {{"running", {{"startedAt", at(second)}}}}}};
}
Json pulled(const std::string& words, int second, const char* pod = "u1") {
  return {{"reason", "Pulled"},
          {"message", words},
          {"firstTimestamp", at(second)},
          {"involvedObject", {{"kind", "Pod"}, {"uid", pod}}}};
}

// Made at 0, scheduled at 1, server started at 14, ready at 45.
Json pod() {
  return {{"metadata", {{"uid", "u1"}, {"creationTimestamp", at(0)}}},
          {"spec", {{"containers", Json::array({{{"name", "vllm"}}})}}},
          {"status",
           {{"conditions", Json::array({condition("PodScheduled", 1), condition("Initialized", 2),
                                        condition("Ready", 45)})},
            {"containerStatuses", Json::array({running("vllm", 14)})}}}};
}

std::vector<std::string> words(const std::vector<StartPhase>& phases) {
  std::vector<std::string> out;
  for (const StartPhase& p : phases) {
    out.push_back(fmt::format("{} {:g}", to_string(p.phase), p.seconds));
    if (!p.detail.empty()) out.back() += " " + p.detail;
    if (p.bytes > 0) out.back() += fmt::format(" {} B", p.bytes);
  }
  return out;
}

TEST(StartPhases, AReplicaOnANodeThatWasThere) {
  const Json events = Json::array(
      {pulled("Successfully pulled image \"x\" in 11.5s (11.5s including waiting). Image size: 1900 bytes.",
              14),
       pulled("Successfully pulled image \"y\" in 99s", 14, "somebody else")});
  const auto phases = phases_of({.pod = pod(), .events = events});
  EXPECT_THAT(words(phases),
              ElementsAre("scheduled 1", "set_up 2", "image_pulled 11.5 1900 B", "loaded 31", "ready 45"));
  EXPECT_EQ(phases[0].start, phases[4].start) << "both begin when the pod was made";
  EXPECT_EQ(phases[2].start, phases[0].start + 3) << "the event is of the end";
}

TEST(StartPhases, OnlyWhatIsOverIsTold) {
  Json now = pod();
  now["status"]["conditions"] = Json::array();
  EXPECT_THAT(words(phases_of({.pod = now})), ElementsAre());
  now["status"]["conditions"] = Json::array({condition("PodScheduled", 1)});
  now["status"]["containerStatuses"] = Json::array();
  const Json events = Json::array({pulled("Successfully pulled image \"x\" in 2s", 4)});
  EXPECT_THAT(words(phases_of({.pod = now, .events = events})), ElementsAre("scheduled 1"))
      << "another container's image may be missing still";
  now["status"]["containerStatuses"] = Json::array({running("vllm", 14)});
  EXPECT_THAT(words(phases_of({.pod = now, .events = events})),
              ElementsAre("scheduled 1", "set_up 1", "image_pulled 2"));
}

TEST(StartPhases, ANodeThatIsYoungerThanThePodWasLaunchedForIt) {
  Json late = pod();
  late["status"]["conditions"][0]["lastTransitionTime"] = at(50);
  const Json node = {{"metadata",
                      {{"name", "n1"},
                       {"creationTimestamp", at(30)},
                       {"labels", {{"node.kubernetes.io/instance-type", "g6.xlarge"}}}}},
                     {"status", {{"conditions", Json::array({condition("Ready", 48)})}}}};
  EXPECT_THAT(words(phases_of({.pod = late, .node = node})),
              ::testing::IsSupersetOf({"node_launched 48 g6.xlarge", "scheduled 2"}));
  const Json claim = {{"status", {{"conditions", Json::array({condition("Initialized", 47)})}}}};
  EXPECT_THAT(words(phases_of({.pod = late, .node = node, .claim = claim})),
              ::testing::IsSupersetOf({"node_launched 47 g6.xlarge", "scheduled 3"}));
  Json old = node;
  old["metadata"]["creationTimestamp"] = "2026-11-26T07:00:00Z";
  EXPECT_THAT(words(phases_of({.pod = late, .node = old})), ::testing::Contains("scheduled 50"));
}

TEST(StartPhases, InitContainersAndRestartsAreTold) {
  Json p = pod();
  p["spec"]["initContainers"] = Json::array({{{"name", "fetch"}}});
  p["status"]["initContainerStatuses"] = Json::array(
      {{{"name", "fetch"}, {"state", {{"terminated", {{"startedAt", at(3)}, {"finishedAt", at(12)}}}}}}});
  p["status"]["containerStatuses"] = Json::array({running("vllm", 40, 2)});
  EXPECT_THAT(words(phases_of({.pod = p})),
              ElementsAre("scheduled 1", "prepared 9 fetch", "loaded 5 after 2 restarts", "ready 45"));
}

TEST(StartPhases, AnImageThatWasThereTookNoTime) {
  const Json events = Json::array({pulled("Container image \"x\" already present on machine", 14)});
  EXPECT_THAT(
      words(phases_of({.pod = pod(), .events = events})),
      ElementsAre("scheduled 1", "set_up 13", "image_pulled 0 was on the node", "loaded 31", "ready 45"));
}

TEST(StartPhases, OfSeveralReplicasTheSlowestCounts) {
  Json slow = pod(), starting = pod();
  slow["status"]["conditions"][2]["lastTransitionTime"] = at(59);
  starting["status"]["conditions"] = Json::array({condition("PodScheduled", 9)});
  starting["status"]["containerStatuses"] = Json::array();
  const auto model =
      slowest(std::vector{phases_of({.pod = pod()}), phases_of({.pod = slow}), phases_of({.pod = starting})});
  EXPECT_THAT(words(model), ElementsAre("scheduled 9", "loaded 45", "ready 59"));
  ASSERT_EQ(model.size(), 3u);
  EXPECT_EQ(model[0].replicas, 3u);
  EXPECT_EQ(model[2].replicas, 2u);
}

TEST(StartPhases, GoWritesDurationsSo) {
  EXPECT_DOUBLE_EQ(go_seconds("1m2.5s"), 62.5);
  EXPECT_DOUBLE_EQ(go_seconds("350ms"), 0.35);
  EXPECT_DOUBLE_EQ(go_seconds("2h0m0s"), 7200);
  EXPECT_NEAR(go_seconds("15\u00b5s"), 15e-6, 1e-12);
  for (const char* none : {"", "12", "s", "1x", "-1s", "1.2.3s"}) EXPECT_LT(go_seconds(none), 0) << none;
}

}  // namespace
}  // namespace slipway::kube
