import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;
import org.msgpack.core.MessageBufferPacker;
import org.msgpack.core.MessagePack;
import org.msgpack.core.MessageUnpacker;

/**
 * The fold of bench/minutes.py in Kafka Streams: HOST:PORT FROM TO GROUP, until SIGTERM.
 *
 * <p>The processor API, for run time crosses the ends of minutes and a window's reduce does not know the reading before it. The
 * state of a machine is in a store in memory with its changelog topic, cached, read and written once a message; exactly once,
 * committed each second.
 */
public final class Minutes {
    private static final long MINUTE = 60_000_000_000L;
    private static final String STORE = "folds";

    /** One machine: at, begun, parts, run in ns, running, total (or -1). */
    private static final class Fold {
        long at, begun, parts, run, total = -1;
        boolean running;

        static Fold of(byte[] kept, long t) {
            Fold fold = new Fold();
            if (kept == null) {
                fold.at = t;
                fold.begun = t / MINUTE * MINUTE;
                return fold;
            }
            ByteBuffer from = ByteBuffer.wrap(kept);
            fold.at = from.getLong();
            fold.begun = from.getLong();
            fold.parts = from.getLong();
            fold.run = from.getLong();
            fold.total = from.getLong();
            fold.running = from.get() == 1;
            return fold;
        }

        byte[] kept() {
            return ByteBuffer.allocate(41).putLong(at).putLong(begun).putLong(parts).putLong(run).putLong(total)
                    .put((byte) (running ? 1 : 0)).array();
        }
    }

    private static final class Folding implements Processor<String, byte[], String, byte[]> {
        private ProcessorContext<String, byte[]> context;
        private KeyValueStore<String, byte[]> store;

        @Override
        public void init(ProcessorContext<String, byte[]> given) {
            context = given;
            store = given.getStateStore(STORE);
        }

        @Override
        public void process(Record<String, byte[]> message) {
            try (MessageUnpacker from = MessagePack.newDefaultUnpacker(message.value())) {
                Fold fold = null;
                for (int left = from.unpackArrayHeader(); left > 0; left--) {
                    from.unpackArrayHeader();
                    String machine = from.unpackString();
                    long t = from.unpackLong();
                    if (fold == null) {
                        fold = Fold.of(store.get(machine), t);
                    }
                    end(fold, t, message);
                    if (from.getNextFormat().getValueType().isStringType()) {
                        fold.running = from.unpackString().equals("running");
                    } else {
                        long total = from.unpackLong();
                        fold.parts += fold.total < 0 ? 0 : total - fold.total;
                        fold.total = total;
                    }
                    for (int values = from.unpackArrayHeader(); values > 0; values--) {
                        from.unpackDouble();
                    }
                }
                if (fold != null) {
                    store.put(message.key(), fold.kept());
                }
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }

        private void end(Fold fold, long t, Record<String, byte[]> message) throws IOException {
            for (long end = fold.begun + MINUTE; t >= end; end += MINUTE) {
                fold.run += fold.running ? end - fold.at : 0;
                try (MessageBufferPacker out = MessagePack.newDefaultBufferPacker()) {
                    out.packArrayHeader(4).packString(message.key()).packLong(fold.begun).packLong(fold.run)
                            .packLong(fold.parts);
                    context.forward(message.withValue(out.toByteArray()));
                }
                fold.at = fold.begun = end;
                fold.run = fold.parts = 0;
            }
            fold.run += fold.running ? t - fold.at : 0;
            fold.at = t;
        }
    }

    public static void main(String[] given) throws IOException {
        Properties settings = new Properties();
        settings.putAll(Map.of(
                StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, given[0],
                StreamsConfig.APPLICATION_ID_CONFIG, given[3],
                StreamsConfig.STATE_DIR_CONFIG, Files.createTempDirectory("minutes").toString(),
                StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2,
                StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000,
                StreamsConfig.REPLICATION_FACTOR_CONFIG, 1,
                StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 100,
                StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest",
                StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 1 << 22,
                StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5000));
        Topology topology = new Topology();
        topology.addSource("in", Serdes.String().deserializer(), Serdes.ByteArray().deserializer(), given[1]);
        topology.addProcessor("fold", Folding::new, "in");
        topology.addStateStore(
                Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(STORE), Serdes.String(), Serdes.ByteArray())
                        .withCachingEnabled(),
                "fold");
        topology.addSink("out", given[2], Serdes.String().serializer(), Serdes.ByteArray().serializer(), "fold");
        KafkaStreams streams = new KafkaStreams(topology, settings);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }
}
