// A plugin of clang-tidy (`cmake/tidy` builds and loads it): its checks visit what is ours, and no system header.
// What they find in one is never shown, yet looking there takes most of the time. clangd restricts its checks in
// this way too (clang::ASTContext::setTraversalScope).
#include <clang/AST/ASTConsumer.h>
#include <clang/AST/ASTContext.h>
#include <clang/AST/DeclGroup.h>
#include <clang/Frontend/FrontendAction.h>
#include <clang/Frontend/FrontendPluginRegistry.h>
#include <memory>
#include <string>
#include <vector>

namespace {

class scope_of_ours final : public clang::ASTConsumer {
  public:
    bool HandleTopLevelDecl(clang::DeclGroupRef group) override {
        for (clang::Decl* declaration : group) {
            const auto& sources = declaration->getASTContext().getSourceManager();
            if (!sources.isInSystemHeader(declaration->getLocation())) ours_.push_back(declaration);
        }
        return true;
    }

    void HandleTranslationUnit(clang::ASTContext& context) override { context.setTraversalScope(ours_); }

  private:
    std::vector<clang::Decl*> ours_;
};

class set_scope final : public clang::PluginASTAction {
    std::unique_ptr<clang::ASTConsumer> CreateASTConsumer(clang::CompilerInstance&, llvm::StringRef) override {
        return std::make_unique<scope_of_ours>();
    }

    bool ParseArgs(const clang::CompilerInstance&, const std::vector<std::string>&) override { return true; }

    // A plugin of this kind is run in every action of the program that loads it, without being asked for.
    ActionType getActionType() override { return AddBeforeMainAction; }
};

// The registry is clang's, and this is how it is entered.
const clang::FrontendPluginRegistry::Add<set_scope> entry("scope-of-ours", "visits no system header");

} // namespace
