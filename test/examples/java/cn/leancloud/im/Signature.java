package cn.leancloud.im;

/** A stub: what the example uses of leancloud/java-unified-sdk 8.2.28, realtime/src/main/java/cn/leancloud/im/Signature.java. */
public class Signature {
  private String signature;
  private long timestamp;
  private String nonce;

  public String getSignature() {
    return signature;
  }

  public void setSignature(String signature) {
    this.signature = signature;
  }

  public long getTimestamp() {
    return timestamp;
  }

  public void setTimestamp(long timestamp) {
    this.timestamp = timestamp;
  }

  public String getNonce() {
    return nonce;
  }

  public void setNonce(String nonce) {
    this.nonce = nonce;
  }
}
