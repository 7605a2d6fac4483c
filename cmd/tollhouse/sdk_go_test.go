package main

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// goSDKs are those of the module testdata/sdk/go.
var goSDKs = []sdk{
	{"openai-go", "openai", "stop", "tool_calls", "*apierror.Error", "*apierror.Error", true},
	{"anthropic-sdk-go", "anthropic", "end_turn", "tool_use", "*apierror.Error", "*apierror.Error", false},
	{"google.golang.org/genai", "genai", "STOP", "STOP", "genai.APIError", "genai.APIError", false},
}

// The official Go SDKs, each against a provider of every dialect, with nothing but base URL and key changed.
func TestOfficialGoSDKsReachEveryDialect(t *testing.T) {
	program := filepath.Join(t.TempDir(), "sdks")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join("testdata", "sdk", "go")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	useScripts(t, goSDKs, t.TempDir(), program)
}
