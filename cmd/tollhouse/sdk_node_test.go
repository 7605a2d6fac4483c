package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// nodeSDKs are the packages of testdata/sdk/node/package.json.
var nodeSDKs = []sdk{
	{"openai", "openai", "stop", "tool_calls", "BadRequestError", "AuthenticationError", false},
	{"@anthropic-ai/sdk", "anthropic", "end_turn", "tool_use", "BadRequestError", "AuthenticationError", false},
	{"@google/genai", "google", "STOP", "STOP", "ApiError", "ApiError", false},
	{"cohere-ai", "cohere", "COMPLETE", "TOOL_CALL", "BadRequestError", "UnauthorizedError", false},
	{"@mistralai/mistralai", "mistral", "stop", "tool_calls", "SDKError", "SDKError", false},
	{"@aws-sdk/client-bedrock-runtime", "bedrock", "end_turn", "tool_use", "ValidationException", "AccessDeniedException", false},
	{"@ai-sdk/openai", "vercel", "stop", "tool-calls", "APICallError", "APICallError", true},
	{"@ai-sdk/openai-compatible", "vercel", "stop", "tool-calls", "APICallError", "APICallError", true},
	{"@ai-sdk/anthropic", "vercel", "stop", "tool-calls", "APICallError", "APICallError", false},
	{"@ai-sdk/google", "vercel", "stop", "tool-calls", "APICallError", "APICallError", false},
	{"@ai-sdk/cohere", "vercel", "stop", "tool-calls", "APICallError", "APICallError", false},
	{"@ai-sdk/mistral", "vercel", "stop", "tool-calls", "APICallError", "APICallError", true},
	{"@ai-sdk/amazon-bedrock", "vercel", "stop", "tool-calls", "APICallError", "APICallError", false},
}

// The official npm SDKs, each against a provider of every dialect, with nothing but base URL and key changed.
func TestOfficialNodeSDKs(t *testing.T) {
	useScripts(t, nodeSDKs, nodeScripts(t), "node", "main.mjs")
}

// nodeScripts is a folder with the scripts of testdata/sdk/node and the packages that they use.
func nodeScripts(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	home := installed(t, "node", []string{"package.json", "package-lock.json"}, func(ctx context.Context, _ string) *exec.Cmd {
		return exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
	})
	scripts := copyScripts(t, "node")
	if err := os.Symlink(filepath.Join(home, "node_modules"), filepath.Join(scripts, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return scripts
}
