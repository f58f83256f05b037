// Stands in for the object of Spark's token provider where a registry does not have that: no setting is told to a log.
package org.apache.spark.kafka010;

import java.util.List;
import scala.Tuple2;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;

public final class KafkaRedactionUtil$ {
    public static final KafkaRedactionUtil$ MODULE$ = new KafkaRedactionUtil$();

    public Seq<Tuple2<String, String>> redactParams(Seq<Tuple2<String, Object>> settings) {
        return CollectionConverters.asScala(List.<Tuple2<String, String>>of()).toSeq();
    }
}
