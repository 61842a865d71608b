// Reads the specification of a container (runc's config.json) and writes it with the seccomp rules
// that Docker would give it: those of its default profile, or of the profile in a file, as in
// docker run --security-opt seccomp=FILE.
package main

import (
	"encoding/json"
	"log"
	"os"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

func rules(spec *specs.Spec, arguments []string) (*specs.LinuxSeccomp, error) {
	if len(arguments) == 0 {
		return seccomp.GetDefaultProfile(spec)
	}
	profile, err := os.ReadFile(arguments[0])
	if err != nil {
		return nil, err
	}
	return seccomp.LoadProfile(string(profile), spec)
}

func main() {
	log.SetFlags(0)
	var spec specs.Spec
	if err := json.NewDecoder(os.Stdin).Decode(&spec); err != nil {
		log.Fatalf("the specification: %v", err)
	}
	var err error
	if spec.Linux.Seccomp, err = rules(&spec, os.Args[1:]); err != nil {
		log.Fatalf("the profile: %v", err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(spec); err != nil {
		log.Fatal(err)
	}
}
