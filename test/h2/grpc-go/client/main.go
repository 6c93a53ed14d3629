// One case of gRPC's interop suite against a server; exit status 0 if it passed. The cases of the suite end the process themselves when they fail.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

var (
	target        = flag.String("target", "", "host:port of the server")
	serverName    = flag.String("name", "", "name in the certificate, if it is not the host")
	caFile        = flag.String("ca", "", "PEM file of the roots")
	authorization = flag.String("authorization", "", "what the client itself sends in that field")
	list          = flag.Bool("list", false, "print the names of the cases")
)

type call struct {
	ctx     context.Context
	service testgrpc.TestServiceClient
	conn    *grpc.ClientConn
}

// The names of the suite, in the words of its description; after them those of ours.
var cases = map[string]func(call){
	"empty_unary":                 func(c call) { interop.DoEmptyUnaryCall(c.ctx, c.service) },
	"large_unary":                 func(c call) { interop.DoLargeUnaryCall(c.ctx, c.service) },
	"client_streaming":            func(c call) { interop.DoClientStreaming(c.ctx, c.service) },
	"server_streaming":            func(c call) { interop.DoServerStreaming(c.ctx, c.service) },
	"ping_pong":                   func(c call) { interop.DoPingPong(c.ctx, c.service) },
	"empty_stream":                func(c call) { interop.DoEmptyStream(c.ctx, c.service) },
	"timeout_on_sleeping_server":  func(c call) { interop.DoTimeoutOnSleepingServer(c.ctx, c.service) },
	"cancel_after_begin":          func(c call) { interop.DoCancelAfterBegin(c.ctx, c.service) },
	"cancel_after_first_response": func(c call) { interop.DoCancelAfterFirstResponse(c.ctx, c.service) },
	"status_code_and_message":     func(c call) { interop.DoStatusCodeAndMessage(c.ctx, c.service) },
	"special_status_message":      func(c call) { interop.DoSpecialStatusMessage(c.ctx, c.service) },
	"custom_metadata":             func(c call) { interop.DoCustomMetadata(c.ctx, c.service) },
	"unimplemented_method":        func(c call) { interop.DoUnimplementedMethod(c.ctx, c.conn) },
	"unimplemented_service": func(c call) {
		interop.DoUnimplementedService(c.ctx, testgrpc.NewUnimplementedServiceClient(c.conn))
	},
	"orca_per_rpc": func(c call) { interop.DoORCAPerRPCTest(c.ctx, c.service) },
	"rpc_soak":     soak,

	// The suite's cases with compression are not in its Go client; these are the calls that it has, with messages compressed both ways.
	"client_compressed_unary": func(c call) {
		interop.DoLargeUnaryCall(c.ctx, c.service, grpc.UseCompressor(gzip.Name))
	},
	"client_compressed_streaming": func(c call) {
		interop.DoClientStreaming(c.ctx, c.service, grpc.UseCompressor(gzip.Name))
	},
	"server_compressed_streaming": func(c call) {
		interop.DoServerStreaming(c.ctx, c.service, grpc.UseCompressor(gzip.Name))
	},
	"status_details":      statusDetails,
	"unary_16_mib":        unaryOf(16 << 20),
	"parallel_calls":      parallelCalls,
	"half_closed_answers": halfClosedAnswers,
}

// soak asks many times on one connection.
func soak(c call) {
	interop.DoSoakTest(c.ctx, interop.SoakTestConfig{
		RequestSize: 271828, ResponseSize: 314159, PerIterationMaxAcceptableLatency: 5 * time.Second,
		OverallTimeout: 30 * time.Second, ServerAddr: *target, NumWorkers: 4, Iterations: 40,
		ChannelForTest: func() (*grpc.ClientConn, func()) { return c.conn, func() {} },
	})
}

// statusDetails wants `grpc-status-details-bin` whole, in the trailers of an answer without a message.
func statusDetails(c call) {
	ctx := metadata.AppendToOutgoingContext(c.ctx, "x-want-details", "because")
	_, err := c.service.EmptyCall(ctx, &testgrpc.Empty{})
	got := status.Convert(err)
	if got.Code() != codes.FailedPrecondition || got.Message() != "with details" || len(got.Details()) != 2 {
		log.Fatalf("got %v with %d details", err, len(got.Details()))
	}
	info, ok := got.Details()[0].(*errdetails.ErrorInfo)
	if !ok || info.Reason != "because" || len(info.Metadata["filler"]) != 2000 {
		log.Fatalf("got %v", got.Details()[0])
	}
}

func unaryOf(size int) func(call) {
	return func(c call) {
		payload := interop.ClientNewPayload(testgrpc.PayloadType_COMPRESSABLE, size)
		answer, err := c.service.UnaryCall(c.ctx, &testgrpc.SimpleRequest{ResponseSize: int32(size), Payload: payload})
		if err != nil || !bytes.Equal(answer.GetPayload().GetBody(), payload.GetBody()) {
			log.Fatalf("got %d bytes, %v", len(answer.GetPayload().GetBody()), err)
		}
	}
}

// parallelCalls has a hundred streams open at once on one connection, each in step with the server.
func parallelCalls(c call) {
	failed := make(chan error)
	for range 100 {
		go func() { failed <- inStep(c) }()
	}
	for range 100 {
		if err := <-failed; err != nil {
			log.Fatal(err)
		}
	}
}

func inStep(c call) error {
	stream, err := c.service.FullDuplexCall(c.ctx)
	if err != nil {
		return err
	}
	for size := range int32(5) {
		wanted := []*testgrpc.ResponseParameters{{Size: size * 1000}}
		if err := stream.Send(&testgrpc.StreamingOutputCallRequest{ResponseParameters: wanted}); err != nil {
			return err
		}
		answer, err := stream.Recv()
		if err != nil || len(answer.GetPayload().GetBody()) != int(size)*1000 {
			return fmt.Errorf("got %d bytes, %w", len(answer.GetPayload().GetBody()), err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if _, err := stream.Recv(); err != io.EOF {
		return fmt.Errorf("got %w instead of the end", err)
	}
	return nil
}

// halfClosedAnswers reads long after the client's own side has ended.
func halfClosedAnswers(c call) {
	stream, err := c.service.FullDuplexCall(c.ctx)
	if err != nil {
		log.Fatal(err)
	}
	wanted := []*testgrpc.ResponseParameters{{Size: 10, IntervalUs: 300_000}, {Size: 20, IntervalUs: 300_000}}
	if err := stream.Send(&testgrpc.StreamingOutputCallRequest{ResponseParameters: wanted}); err != nil {
		log.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		log.Fatal(err)
	}
	for _, size := range []int{10, 20} {
		answer, err := stream.Recv()
		if err != nil || len(answer.GetPayload().GetBody()) != size {
			log.Fatalf("got %d bytes, %v", len(answer.GetPayload().GetBody()), err)
		}
	}
	if _, err := stream.Recv(); err != io.EOF {
		log.Fatalf("got %v instead of the end", err)
	}
}

// fixed is a credential that the client brings itself.
type fixed string

func (f fixed) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": string(f)}, nil
}
func (fixed) RequireTransportSecurity() bool { return true }

// The suite has its own balancer, by which it reads the load reports in trailers.
const loadReports = `{"loadBalancingConfig": [{"test_backend_metrics_load_balancer": {}}]}`

func dial() *grpc.ClientConn {
	pem, err := os.ReadFile(*caFile)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		log.Fatalf("no certificate in %s", *caFile)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: *serverName})),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(32 << 20)),
	}
	if *authorization != "" {
		options = append(options, grpc.WithPerRPCCredentials(fixed(*authorization)))
	}
	if flag.Arg(0) == "orca_per_rpc" {
		options = append(options, grpc.WithDefaultServiceConfig(loadReports))
	}
	conn, err := grpc.NewClient(*target, options...)
	if err != nil {
		log.Fatal(err)
	}
	return conn
}

func main() {
	flag.Parse()
	if *list {
		fmt.Println(strings.Join(slices.Sorted(maps.Keys(cases)), "\n"))
		return
	}
	run, known := cases[flag.Arg(0)]
	if !known {
		log.Fatalf("there is no case %q", flag.Arg(0))
	}
	conn := dial()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	run(call{ctx: ctx, service: testgrpc.NewTestServiceClient(conn), conn: conn})
	if err := conn.Close(); err != nil {
		log.Fatal(err)
	}
}
