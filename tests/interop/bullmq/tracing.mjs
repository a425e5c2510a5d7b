// OpenTelemetry as an application sets it up, with its spans kept in memory.
import { context, propagation, SpanKind, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";

/** Record what `bullmq-otel` (the package of that name, for this BullMQ) and `inSpan` tell. */
export async function record(otelPackage) {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  const { BullMQOtel } = await import(otelPackage);
  const tracer = trace.getTracer("interop");
  return {
    telemetry: new BullMQOtel({ tracerName: "interop" }),
    inSpan: (name, work) => tracer.startActiveSpan(name, { root: true }, async (span) => {
      try {
        return await work();
      } finally {
        span.end();
      }
    }),
    spans: () => exporter.getFinishedSpans().map((span) => ({
      name: span.name,
      kind: SpanKind[span.kind],
      traceId: span.spanContext().traceId,
      spanId: span.spanContext().spanId,
      parentSpanId: span.parentSpanContext?.spanId ?? null,
      attributes: span.attributes,
    })),
  };
}
