#include "cli/start_view.h"

#include <gtest/gtest.h>

namespace slipway::cli {
namespace {

using kube::Phase, kube::StartPhase;

TEST(StartView, APhaseIsALine) {
  struct Case {
    StartPhase phase;
    std::size_t replicas;
    const char* line;
  };
  for (const Case& c : {
           Case{{.phase = Phase::node_launched, .seconds = 48, .detail = "g6.xlarge"},
                1,
                "node launched 48 s (g6.xlarge)"},
           Case{{.phase = Phase::scheduled}, 1, "scheduled under 1 s"},
           Case{{.phase = Phase::image_pulled, .seconds = 12.34, .bytes = 1'900'000'000},
                1,
                "image pulled 12.3 s (1.9 GB)"},
           Case{{.phase = Phase::image_pulled, .detail = "was on the node"}, 1, "image was on the node"},
           Case{{.phase = Phase::prepared, .seconds = 90, .detail = "fetch"},
                1,
                "prepared 1 min 30 s (fetch)"},
           Case{{.phase = Phase::loaded, .seconds = 31, .detail = "after 2 restarts"},
                1,
                "weights loaded and warmed up 31 s (after 2 restarts)"},
           Case{{.phase = Phase::ready, .seconds = 45, .replicas = 3},
                3,
                "ready after 45 s, the slowest of 3 replicas"},
           Case{{.phase = Phase::scheduled, .replicas = 3}, 3, "scheduled under 1 s, 3 of 3 replicas"},
       })
    EXPECT_EQ(phase_line(c.phase, c.replicas), c.line);
}

TEST(StartView, AProgramGetsStartsAndSeconds) {
  const StartPhase pulled{
      .phase = Phase::image_pulled, .start = 1764223201, .seconds = 1.5, .bytes = 7, .replicas = 2};
  EXPECT_EQ(phases_json(std::vector{pulled}), Json::array({{{"phase", "image_pulled"},
                                                            {"start", "2025-11-27T06:00:01.000Z"},
                                                            {"seconds", 1.5},
                                                            {"replicas", 2},
                                                            {"bytes", 7},
                                                            {"detail", nullptr}}}));
}

TEST(StartView, TheFirstAnswerSaysWhatItWas) {
  EXPECT_EQ(first_answer_line({.came = true, .gives = codec::Gives::token, .seconds = 0.4}),
            "first token after 400 ms");
  EXPECT_EQ(first_answer_line({.came = true, .gives = codec::Gives::embedding, .seconds = 2}),
            "first embedding after 2 s");
}

}  // namespace
}  // namespace slipway::cli
