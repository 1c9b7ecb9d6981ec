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

TEST(LoadCatalog, FilesOfTheFolderBesideTheBlueprintAddAndReplaceAndABadOneIsShown) {
  const std::filesystem::path dir = std::filesystem::path(::testing::TempDir()) / "catalog-test";
  std::filesystem::create_directories(dir / "more");
  const auto write = [&](const char* name, const std::string& description) {
    std::ofstream(dir / "more" / name)
        << "models:\n  - name: own-model\n    model: me/own\n    license: MIT\n    task: chat\n"
           "    parameters: 1000\n    context_tokens: 1024\n    kv_bytes_per_token: 64\n"
           "    description: "
        << description
        << "\n    files:\n      - {name: own.gguf, quantization: F16, "
           "source: \"file:/own.gguf\", bytes: 5000}\n";
  };
  write("a.yaml", "first");
  write("b.yaml", "second");
  domain::Blueprint blueprint;
  blueprint.source = dir / "env.tfvars";
  blueprint.catalog_dir = "more";
  const auto catalog = load_catalog(blueprint);
  ASSERT_TRUE(catalog) << catalog.error().to_string();
  EXPECT_EQ(catalog->models.size(), codec::built_in_catalog().models.size() + 1);
  ASSERT_NE(catalog->find("me/own"), nullptr);
  EXPECT_EQ(catalog->find("me/own")->description, "second");
  std::ofstream(dir / "more" / "c.yaml") << "models: 7\n";
  const auto bad = load_catalog(blueprint);
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().to_string(), HasSubstr("c.yaml:1"));
  blueprint.catalog_dir = "nowhere";
  EXPECT_THAT(load_catalog(blueprint).error().message(), HasSubstr("nowhere"));
  std::filesystem::remove_all(dir);
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
