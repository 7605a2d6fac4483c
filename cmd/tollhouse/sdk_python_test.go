package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// pythonSDKs are the packages of testdata/sdk/python/requirements.in.
var pythonSDKs = []sdk{
	{"openai", "openai", "stop", "tool_calls", "BadRequestError", "AuthenticationError", false},
	{"anthropic", "anthropic", "end_turn", "tool_use", "BadRequestError", "AuthenticationError", false},
	{"google-genai", "google", "STOP", "STOP", "ClientError", "ClientError", false},
	{"cohere", "cohere", "COMPLETE", "TOOL_CALL", "BadRequestError", "UnauthorizedError", false},
	{"mistralai", "mistral", "stop", "tool_calls", "SDKError", "SDKError", false},
	{"boto3", "bedrock", "end_turn", "tool_use", "ValidationException", "AccessDeniedException", false},
	{"langchain-openai", "langchain", "stop", "tool_calls", "OpenAIInvalidRequestError", "OpenAIAuthenticationError", false},
	{"langchain-anthropic", "langchain", "end_turn", "tool_use", "AnthropicInvalidRequestError", "AnthropicAuthenticationError", false},
	{"langchain-google-genai", "langchain", "STOP", "STOP", "GoogleInvalidRequestError", "GoogleAuthenticationError", false},
}

// The official PyPI SDKs, each against a provider of every dialect, with nothing but base URL and key changed.
func TestOfficialPythonSDKs(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	if out, err := exec.Command(python, "-c", "import venv, ensurepip").CombinedOutput(); err != nil {
		t.Skipf("python3 cannot make virtual environments: %v\n%s", err, out)
	}
	home := installed(t, "python", []string{"requirements.txt"}, func(ctx context.Context, dir string) *exec.Cmd {
		// The folder is the virtual environment; it may not be moved.
		script := `"$0" -m venv . && bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r requirements.txt`
		return exec.CommandContext(ctx, "sh", "-c", script, python)
	})
	s := newStack(t, "")
	bundle := s.encrypt(t)
	s.startAll("")
	for _, name := range []string{"SSL_CERT_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"} {
		t.Setenv(name, bundle)
	}
	s.use(t, pythonSDKs, copyScripts(t, "python"), filepath.Join(home, "bin", "python"), "main.py")
}

// encrypt gives the gateway a certificate, and returns the file that clients are to trust. boto3 sends a bearer key over TLS only.
func (s *stack) encrypt(t *testing.T) (bundle string) {
	t.Helper()
	lender := httptest.NewTLSServer(nil)
	defer lender.Close()
	pair := lender.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(s.dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	bundle = write("cert.pem", "CERTIFICATE", pair.Certificate[0])
	s.tls = fmt.Sprintf(", tls: {cert: %q, key: %q}", bundle, write("key.pem", "PRIVATE KEY", key))
	return bundle
}
