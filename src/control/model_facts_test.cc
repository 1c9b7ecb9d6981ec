#include "control/model_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/cause.h"

namespace slipway::control {
namespace {

using codec::Json;
using policy::Trouble;
using ::testing::Contains;
using ::testing::HasSubstr;

Json replica(const char* state, const char* last_exit = nullptr, const char* cls = nullptr) {
  return {{"id", "smollm2-135m-7k2mq"},
          {"state", state},
          {"uptime_s", 4},
          {"restarts", last_exit != nullptr ? 3 : 0},
          {"progress", {{"phase", "weights"}, {"done", 12}, {"total", 30}, {"unit", "layers"}}},
          {"last_exit", last_exit != nullptr ? Json(last_exit) : Json()},
          {"last_exit_class", cls != nullptr ? Json(cls) : Json()},
          {"last_lines", Json::array({"llama: cannot go on"})}};
}
Json model(const Json& replica) {
  return {{"id", "smollm2-135m"}, {"replicas_wanted", 1}, {"replicas", Json::array({replica})}};
}
policy::Finding first(const Json& model) {
  return policy::causes(model_facts(model)).front();
}

TEST(ModelFacts, TheDaemonsStatesHaveTheSameCausesAsACluster) {
  struct Case {
    Json replica;
    Trouble trouble;
    const char* sentence;
  };
  for (const Case& c :
       {Case{replica("ready"), Trouble::ready, "nothing is wrong"},
        Case{replica("starting"), Trouble::slow_start, "makes progress"},
        Case{replica("pending"), Trouble::starting, ""},
        Case{replica("backoff", "ended by signal 11 (SIGSEGV)", "crash"), Trouble::crash_loop, "signal 11"},
        Case{replica("crash_loop", "the file is no GGUF", "load_failed"), Trouble::crash_loop, "cannot load"},
        Case{replica("crash_loop", "killed by the kernel", "out_of_memory"), Trouble::out_of_memory,
             "memory"},
        Case{replica("backoff", "made no token progress", "no_progress"), Trouble::crash_loop,
             "no progress"}}) {
    const policy::Finding found = first(model(c.replica));
    EXPECT_EQ(policy::to_string(found.trouble), policy::to_string(c.trouble)) << c.replica;
    EXPECT_THAT(found.sentence, HasSubstr(c.sentence));
  }
}

TEST(ModelFacts, ProgressAndLastWordsAreTheEvidence) {
  EXPECT_THAT(first(model(replica("starting"))).evidence, Contains("progress: weights 12 of 30 layers"));
  const policy::Finding crash = first(model(replica("crash_loop", "exit code 1", "crash")));
  EXPECT_THAT(crash.evidence, Contains("log: llama: cannot go on"));
  EXPECT_THAT(crash.evidence, Contains(HasSubstr("restarted 3 times")));
}

TEST(ModelFacts, ADeployThatFailedSaysItsError) {
  const Json failed{{"id", "x"},
                    {"replicas_wanted", 1},
                    {"replicas", Json::array()},
                    {"error", {{"symbol", "gated"}, {"message", "the hub refused access"}}}};
  const policy::Finding found = first(failed);
  EXPECT_EQ(found.trouble, Trouble::gated_model);
  EXPECT_EQ(found.sentence, "the hub refused access");
  EXPECT_THAT(found.next, HasSubstr("slipway secret set hf-token"));
}

}  // namespace
}  // namespace slipway::control
