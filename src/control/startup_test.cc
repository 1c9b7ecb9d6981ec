#include "control/startup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "control/api_io.h"

namespace slipway::control {
namespace {

using ::testing::HasSubstr;

std::vector<Asked> wanted(const DaemonOptions& options, bool has_deployments = false) {
  auto models = wanted_models(options, codec::built_in_catalog(), {}, has_deployments);
  EXPECT_TRUE(models) << models.error().to_string();
  return models.value_or(std::vector<Asked>{});
}

TEST(WantedModels, TheEmbeddedModelWhenNothingIsNamedAndNothingIsStored) {
  DaemonOptions options;
  ASSERT_EQ(wanted(options).size(), 1u);
  EXPECT_EQ(wanted(options)[0].name, codec::kEmbeddedModel);
  EXPECT_TRUE(wanted(options, true).empty());
  options.deploy_models = false;
  EXPECT_TRUE(wanted(options).empty());
}

TEST(WantedModels, AValuesFileIsFoundBesideTheBlueprintAndABadOneStopsTheStart) {
  const std::filesystem::path dir = ::testing::TempDir();
  std::ofstream(dir / "values-x.yaml")
      << "model: HuggingFaceTB/SmolLM2-135M-Instruct\ninference:\n  serviceName: x\n"
         "  accelerator: gpu\n  framework: vllm\n";
  DaemonOptions options;
  options.blueprint.source = dir / "env.tfvars";
  options.blueprint.models = {"values-x.yaml"};
  ASSERT_EQ(wanted(options).size(), 1u);
  EXPECT_THAT(wanted(options)[0].values, HasSubstr("serviceName: x"));
  options.blueprint.models = {"nothing.yaml"};
  const auto missing = wanted_models(options, codec::built_in_catalog(), {}, false);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), base::ErrorCode::file_unreadable);
}

TEST(GatewayAddress, OffLoopbackNeedsAKey) {
  domain::Blueprint blueprint;
  domain::KeySet keys;
  EXPECT_TRUE(gateway_address(blueprint, keys));
  blueprint.gateway_host = "0.0.0.0";
  const auto refused = gateway_address(blueprint, keys);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), base::ErrorCode::key_required);
  keys.keys[{}] = {};
  ASSERT_TRUE(gateway_address(blueprint, keys));
  EXPECT_EQ(url_of(*gateway_address(blueprint, keys)), "http://127.0.0.1:8000");
}

TEST(ApiQuery, IsDecodedAndChecked) {
  EXPECT_EQ(query("/x?model=a%2Fb&tail=7", "model"), "a/b");
  EXPECT_EQ(query("/x?model=a%2", "model"), "a%2");
  EXPECT_EQ(query("/x?follow", "follow"), "");
  EXPECT_FALSE(query("/x", "follow"));
  EXPECT_EQ(*query_number("/x?tail=7", "tail", 1, 0, 10), 7);
  EXPECT_EQ(*query_number("/x", "tail", 1, 0, 10), 1);
  EXPECT_FALSE(query_number("/x?tail=70", "tail", 1, 0, 10));
  EXPECT_FALSE(query_number("/x?tail=x", "tail", 1, 0, 10));
}

}  // namespace
}  // namespace slipway::control
